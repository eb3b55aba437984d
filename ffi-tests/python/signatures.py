"""Prints what the package's _abi.py declares, as JSON: tests/python.rs compares it with the header and with a C compiler's layout."""

import ctypes
import json

import abi

print(
    json.dumps(
        {
            "functions": {name: len(signature) - 1 for name, signature in abi.FUNCTIONS.items()},
            "constants": abi.CONSTANTS,
            "layout": {
                **{structure.__name__: [ctypes.sizeof(structure)] for structure in abi.STRUCTURES},
                **{
                    f"{structure.__name__}.{name}": [getattr(structure, name).offset, getattr(structure, name).size]
                    for structure in abi.STRUCTURES
                    for name, *_ in structure._fields_
                },
            },
        }
    )
)
