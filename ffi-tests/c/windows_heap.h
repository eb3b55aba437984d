/* The library's HeapAlloc and HeapReAlloc, replaced in the table that says where the module with the library in it finds what it
 * imports: quiescent.dll, or the program that the archive was linked into. A part of allocation.h. */
#ifndef WINDOWS_HEAP_H
#define WINDOWS_HEAP_H
#include "system.h"

/* The system's. Not called by their names: with the archive this program's own calls go by the same table. */
static void *(WINAPI *system_alloc)(HANDLE, DWORD, SIZE_T);
static void *(WINAPI *system_realloc)(HANDLE, DWORD, void *, SIZE_T);

static void *WINAPI counted_alloc(HANDLE heap, DWORD flags, SIZE_T size) { return refuse() ? NULL : system_alloc(heap, flags, size); }
static void *WINAPI counted_realloc(HANDLE heap, DWORD flags, void *old, SIZE_T size) {
    return refuse() ? NULL : system_realloc(heap, flags, old, size);
}

static void replace(IMAGE_THUNK_DATA *entry, ULONG_PTR with) {
    DWORD before;
    CHECK(VirtualProtect(entry, sizeof *entry, PAGE_READWRITE, &before));
    entry->u1.Function = with;
    CHECK(VirtualProtect(entry, sizeof *entry, before, &before));
}

/* Runs before main. */
__attribute__((constructor)) static void replace_the_heap(void) {
    unsigned char *module = (unsigned char *)GetModuleHandleA("quiescent.dll");
    if (module == NULL) module = (unsigned char *)GetModuleHandleA(NULL);
    const IMAGE_NT_HEADERS *headers = (void *)(module + ((IMAGE_DOS_HEADER *)module)->e_lfanew);
    DWORD at = headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;
    int replaced = 0;
    system_alloc = HeapAlloc, system_realloc = HeapReAlloc;
    for (const IMAGE_IMPORT_DESCRIPTOR *from = (void *)(module + at); from->Name != 0; from++) {
        const IMAGE_THUNK_DATA *name = (void *)(module + from->OriginalFirstThunk);
        IMAGE_THUNK_DATA *entry = (void *)(module + from->FirstThunk);
        for (; name->u1.AddressOfData != 0; name++, entry++) {
            if (IMAGE_SNAP_BY_ORDINAL(name->u1.Ordinal)) continue;
            const char *text = ((IMAGE_IMPORT_BY_NAME *)(module + name->u1.AddressOfData))->Name;
            if (strcmp(text, "HeapAlloc") == 0) replace(entry, (ULONG_PTR)counted_alloc), replaced++;
            if (strcmp(text, "HeapReAlloc") == 0) replace(entry, (ULONG_PTR)counted_realloc), replaced++;
        }
    }
    CHECK(replaced >= 2);
}

#endif
