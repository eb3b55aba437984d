// The same layout as in C: c/layout.h asserts it.
#include "../c/layout.h"

int main() { return 0; }
