/* What Rust's standard library takes its random numbers from, which Wine 8 lacks: a program of Rust's does not load there without. A
 * stand-in for tests (see scripts/wine). */
#include <windows.h>

#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE out, SIZE_T size) { return RtlGenRandom(out, (ULONG)size); }
