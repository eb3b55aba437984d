/* What the programs ask of the operating system, Unix or Windows. */
#ifndef SYSTEM_H
#define SYSTEM_H
#include "../claims.h"
#include <stdbool.h>

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

/* The calling thread's number. */
static inline unsigned thread_id(void) { return (unsigned)GetCurrentThreadId(); }

/* Here and not from its header, which older versions of mingw-w64 lack it in. */
__declspec(dllimport) HRESULT WINAPI SetThreadDescription(HANDLE thread, PCWSTR description);

/* Names the calling thread. (winpthreads' pthread_setname_np tells a debugger only.) */
static inline void name_thread(const char *name) {
    WCHAR wide[32] = {0};
    for (size_t i = 0; i < 31 && name[i] != '\0'; i++) wide[i] = (WCHAR)name[i];
    CHECK(SetThreadDescription(GetCurrentThread(), wide) >= 0);
}

/* There is no fork. */
static inline bool in_child(void) { return false; }

#else

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The calling thread's number. */
static inline unsigned thread_id(void) { return (unsigned)syscall(SYS_gettid); }

/* Names the calling thread. */
static inline void name_thread(const char *name) { CHECK(pthread_setname_np(pthread_self(), name) == 0); }

/* Whether this is a child, which has to end with _Exit(0). The parent has no other threads, and returns when it has ended. */
static inline bool in_child(void) {
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) return true;
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_SAY(status == 0, "the child ended with %d", status);
    return false;
}

#endif

#endif
