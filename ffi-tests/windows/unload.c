/* The library was loaded by name. FreeLibrary leaves it where it is once it was used: a thread that has called it still ends. */
#include "../c/system.h"
#include <quiescent.h>

static HMODULE library;
static qz_kind *kind;
static qz_handle *handle;
static HANDLE has_called, may_end;

static void *symbol(const char *name) {
    FARPROC found = GetProcAddress(library, name);
    void *as_object;
    CHECK_SAY(found != NULL, "quiescent.dll has no %s", name);
    memcpy(&as_object, &found, sizeof as_object);
    return as_object;
}

/* Calls through a copy of the address, since a function's type cannot be cast from an object's in ISO C. */
#define CALLED(name, ...) (*(__typeof__(&name) *)&(void *){symbol(#name)})(__VA_ARGS__)

static DWORD WINAPI caller(void *unused) {
    void *object;
    (void)unused;
    CHECK(CALLED(qz_handle_enter, handle, kind, "before the end", &object) == QZ_OK);
    CHECK(CALLED(qz_handle_leave, handle) == QZ_OK);
    CHECK(SetEvent(has_called) && WaitForSingleObject(may_end, 20000) == WAIT_OBJECT_0);
    return 7;
}

int main(void) {
    DWORD code = 0;
    library = LoadLibraryA("quiescent.dll");
    CHECK(library != NULL);
    CHECK(CALLED(qz_kind_new, "kind", NULL, &kind) == QZ_OK);
    CHECK(CALLED(qz_handle_new, kind, &code, &handle) == QZ_OK);
    has_called = CreateEventA(NULL, TRUE, FALSE, NULL), may_end = CreateEventA(NULL, TRUE, FALSE, NULL);
    HANDLE thread = CreateThread(NULL, 0, caller, NULL, 0, NULL);
    CHECK(thread != NULL && WaitForSingleObject(has_called, 20000) == WAIT_OBJECT_0);
    while (FreeLibrary(library) && GetModuleHandleA("quiescent.dll") != NULL && ++code < 10) {}
    CHECK_SAY(GetModuleHandleA("quiescent.dll") == library, "it was unloaded after %u calls of FreeLibrary", (unsigned)code + 1);
    CHECK(SetEvent(may_end) && WaitForSingleObject(thread, 20000) == WAIT_OBJECT_0);
    CHECK(GetExitCodeThread(thread, &code) && code == 7);
    CHECK(CALLED(qz_handle_free, handle, 0) == QZ_OK);
    return 0;
}
