/* Prints the layout that c/layout.h asserts, one line each: tests/python.rs compares it with what ctypes makes of it. */
#include "layout.h"
#include <stdio.h>

#define PRINT_STRUCTURE(structure, bytes) printf("%s %d\n", #structure, (int)(bytes));
#define PRINT_MEMBER(structure, member, at, bytes) \
    printf("%s.%s %d %d\n", #structure, #member, (int)(at), (int)(bytes));

int main(void) {
    LAYOUT(PRINT_STRUCTURE, PRINT_MEMBER)
    return 0;
}
