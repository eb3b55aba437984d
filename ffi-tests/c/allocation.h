/* A malloc in place of the C library's, that counts what is asked for and fails on command, for each thread by itself.
 *
 * glibc only: it passes on to glibc's own allocator. For one source file of a program. */
#ifndef ALLOCATION_H
#define ALLOCATION_H
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

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

static void fail_after(long allowed) {
    succeed = allowed;
    failed = 0;
}
static void succeed_again(void) { succeed = -1; }

#endif
