/* An allocator in place of the library's, that counts what is asked for and fails on command, for each thread by itself. For one source
 * file of a program.
 *
 * With glibc it is the whole program's malloc, and passes on to glibc's own. On Windows it is the library's HeapAlloc, and passes on to
 * the system's. */
#ifndef ALLOCATION_H
#define ALLOCATION_H
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

static _Thread_local long allocations;  /* asked for by this thread */
static _Thread_local long succeed = -1; /* how many more may succeed; negative: all */
static _Thread_local long failed;

static bool refuse(void) {
    allocations++;
    if (succeed < 0) return false;
    if (succeed > 0) {
        succeed--;
        return false;
    }
    failed++;
    errno = ENOMEM;
    return true;
}

#ifdef _WIN32

#include "windows_heap.h"

#define FIRST_CALL_MAY_LACK_MEMORY false

#else

#define FIRST_CALL_MAY_LACK_MEMORY true

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) { return refuse() ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return refuse() ? NULL : __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { return refuse() ? NULL : __libc_realloc(old, size); }
void *memalign(size_t align, size_t size) { return refuse() ? NULL : __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { return refuse() ? NULL : __libc_memalign(align, size); }
int posix_memalign(void **out, size_t align, size_t size) {
    void *memory = refuse() ? NULL : __libc_memalign(align, size);
    if (memory == NULL) return ENOMEM;
    *out = memory;
    return 0;
}

#endif

static void fail_after(long allowed) {
    succeed = allowed;
    failed = 0;
}
static void succeed_again(void) { succeed = -1; }

#endif
