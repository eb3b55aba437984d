// The header first and alone, twice, and in two translation units, as every C++ standard from C++11 on.
#include "quiescent.h"
#include "quiescent.h"

bool second_unit(qz_handle *handle);

namespace {
struct Session {
    qz_guard guard;
    int value;
};

void wake(void *object, void *) { static_cast<Session *>(object)->value++; }
} // namespace

int main() {
    Session session{};
    qz_kind_ops ops{};
    ops.struct_size = sizeof ops;
    ops.on_close = wake;
    qz_kind *kind = nullptr;
    qz_handle *handle = nullptr;
    void *object = nullptr;
    if (qz_kind_new("header", &ops, &kind) != QZ_OK || qz_handle_new(kind, &session, &handle) != QZ_OK) return 1;
    if (qz_handle_enter(handle, kind, "compile", &object) != QZ_OK || object != &session) return 2;
    if (qz_handle_free(handle, 0) != QZ_FREE_PENDING || session.value == 0) return 3;
    if (qz_handle_leave(handle) != QZ_OK || qz_handle_free(QZ_HANDLE(kind), QZ_INFINITE) != QZ_OK) return 4;
    if (qz_guard_begin_free(&session.guard, 0) != QZ_OK) return 5;
    return second_unit(handle) ? 0 : 6;
}
