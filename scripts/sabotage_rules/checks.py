"""What must notice, and how it is run."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    name: str
    # Its directory below target: the one of other builds where that spares compiling what all depend on.
    target: str
    arguments: list
    environment: dict = field(default_factory=dict)
    # What the check itself builds while it runs; it is built before, so that "does not compile" is not taken for "caught".
    prepare: tuple = ()
    # The one that runs others, if these are no tests of cargo's: a rule names one of them, in the variable.
    runner: str = ""
    variable: str = ""


def against_the_library(name, test, **more):
    """One of ffi-tests, which builds the library while it runs: quickly, as it is to be broken, in a directory of its own."""
    return Check(
        name,
        "sabotage/ffi",
        ["-p", "quiescent-ffi-tests", "--test", test],
        {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "CARGO_PROFILE_RELEASE_INCREMENTAL": "true"},
        prepare=("build", "--quiet", "-p", "quiescent", "--release"),
        **more,
    )


CHECKS = {
    "model": Check(
        "model",
        "loom",
        # loom optimised, the core not: a model takes hardly longer, and is compiled in a third of the time.
        ["--config", "profile.release.package.quiescent-core.opt-level=0", "-p", "quiescent-core", "--release", "--test", "loom"],
        {
            "RUSTFLAGS": "--cfg loom",
            "RUST_BACKTRACE": "0",
            # Two models in one process hinder each other: see scripts/loom.
            "RUST_TEST_THREADS": "1",
            "CARGO_PROFILE_RELEASE_INCREMENTAL": "true",
        },
    ),
    # The same sequences each time: a mistake is noticed or not, never now and then.
    "twin": Check("twin", ".", ["-p", "quiescent-core", "--test", "twin"], {"PROPTEST_RNG_SEED": "1"}),
    # Optimised: a missing barrier shows when the steps are close together.
    "lane": Check("lane", ".", ["-p", "quiescent-core", "--release", "--test", "lane"]),
    "handle": Check("handle", ".", ["-p", "quiescent-core", "--test", "handle"]),
    "stats": Check("stats", ".", ["-p", "quiescent-core", "--test", "stats"]),
    "misuse": Check("misuse", ".", ["-p", "quiescent-core", "--test", "misuse"]),
    "guard": Check("guard", ".", ["-p", "quiescent-core", "--test", "guard"]),
    "rundown": Check("rundown", ".", ["-p", "quiescent-core", "--test", "rundown"]),
    # With a wait that ends, or a test that says so when it does not.
    "sync": Check("sync", ".", ["-p", "quiescent-core", "--test", "sync"]),
    "file_lock": Check("file_lock", ".", ["-p", "quiescent-core", "--test", "file_lock"]),
    "backend": Check("backend", ".", ["-p", "quiescent-core", "--test", "backend"]),
    "qz_lock": Check("qz_lock", ".", ["-p", "qz-lock", "--test", "runs"]),
    "unit": Check("unit", ".", ["-p", "quiescent-core", "--lib"]),
    "contract": against_the_library("contract", "contract"),
    "cpp_header": against_the_library("cpp_header", "cpp_header"),
    "python": against_the_library(
        "python",
        "python_package",
        runner="its_tests_pass_against_the_built_library",
        variable="QUIESCENT_PYTHON_TEST",
    ),
}
