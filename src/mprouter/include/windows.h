/*
 * windows.h: what sources of notifyees and network providers commonly use of Windows besides npapi.h, so that they
 * compile here unchanged.
 *
 * It is no more than that: text functions for 16-bit characters, conversion to UTF-8, memory, time. What is not here
 * fails to compile, and for text that is the aim: with -fshort-wchar the C library's wide functions, and std::wstring
 * on them, would take every two characters for one. Calls of those that are not replaced below are therefore errors.
 */
#ifndef MPROUTER_WINDOWS_H
#define MPROUTER_WINDOWS_H

#include "npapi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#ifdef __cplusplus
#include <string> /* before the names below mean something else */
#endif

/* ---- words in declarations ------------------------------------------------------------------------------------ */

#define CALLBACK
#define PASCAL
#define FAR
#define NEAR
#define CONST const
#define IN
#define OUT
#define OPTIONAL
#define _In_
#define _In_opt_
#define _Inout_
#define _Inout_opt_
#define _Out_
#define _Out_opt_
#define _Reserved_

#define MAX_PATH 260
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define ZeroMemory(memory, size) memset((memory), 0, (size))
#define CopyMemory(to, from, size) memcpy((to), (from), (size))

/* Not taken away by the compiler, although nobody reads the memory any more. */
static __inline__ VOID *SecureZeroMemory(VOID *memory, SIZE_T size) {
    memset(memory, 0, size);
    __asm__ __volatile__("" : : "r"(memory) : "memory");
    return memory;
}

/* ---- the library's beginning and end: the router calls DllMain where one is exported -------------------------- */

#define DLL_PROCESS_DETACH 0
#define DLL_PROCESS_ATTACH 1
#define DLL_THREAD_ATTACH 2
#define DLL_THREAD_DETACH 3

#ifdef __cplusplus
extern "C" {
#endif
__declspec(dllexport) BOOL WINAPI DllMain(HINSTANCE hinstDLL, DWORD fdwReason, LPVOID lpvReserved);
#ifdef __cplusplus
}
#endif

static __inline__ BOOL DisableThreadLibraryCalls(HMODULE library) {
    (void)library;
    return TRUE;
}

/* ---- memory and time ------------------------------------------------------------------------------------------ */

#define HEAP_ZERO_MEMORY 0x00000008
#define LMEM_FIXED 0x0000
#define LMEM_ZEROINIT 0x0040
#define LPTR (LMEM_FIXED | LMEM_ZEROINIT)

typedef HANDLE HLOCAL;

static __inline__ HANDLE GetProcessHeap(void) {
    return NULL;
}

static __inline__ LPVOID HeapAlloc(HANDLE heap, DWORD flags, SIZE_T size) {
    (void)heap;
    return flags & HEAP_ZERO_MEMORY ? calloc(1, size ? size : 1) : malloc(size ? size : 1);
}

static __inline__ BOOL HeapFree(HANDLE heap, DWORD flags, LPVOID memory) {
    (void)heap, (void)flags;
    free(memory);
    return TRUE;
}

static __inline__ HLOCAL LocalAlloc(UINT flags, SIZE_T size) {
    return HeapAlloc(NULL, flags & LMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0, size);
}

static __inline__ HLOCAL LocalFree(HLOCAL memory) {
    free(memory);
    return NULL;
}

#ifdef CLOCK_MONOTONIC /* not with -std=c11, which wants nothing but the standard */
static __inline__ ULONGLONG GetTickCount64(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (ULONGLONG)now.tv_sec * 1000 + (ULONGLONG)now.tv_nsec / 1000000;
}

static __inline__ DWORD GetTickCount(void) {
    return (DWORD)GetTickCount64();
}

static __inline__ VOID Sleep(DWORD milliseconds) {
    struct timespec rest = {(time_t)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    while (nanosleep(&rest, &rest) != 0) {
    }
}
#endif

/* ---- text: WCHARs have 16 bits; comparison without case is about A to Z, as in the C locale ------------------- */

static __inline__ size_t mprouter_wcslen(const WCHAR *text) {
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

static __inline__ WCHAR mprouter_lower(WCHAR character) {
    return (WCHAR)(character >= 'A' && character <= 'Z' ? character + ('a' - 'A') : character);
}

static __inline__ int mprouter_wcsncmp(const WCHAR *one, const WCHAR *other, size_t count) {
    for (; count && *one && *one == *other; one++, other++)
        count--;
    return count ? (int)*one - (int)*other : 0;
}

static __inline__ int mprouter_wcsnicmp(const WCHAR *one, const WCHAR *other, size_t count) {
    for (; count && *one && mprouter_lower(*one) == mprouter_lower(*other); one++, other++)
        count--;
    return count ? (int)mprouter_lower(*one) - (int)mprouter_lower(*other) : 0;
}

static __inline__ int mprouter_wcscmp(const WCHAR *one, const WCHAR *other) {
    return mprouter_wcsncmp(one, other, (size_t)-1);
}

static __inline__ int mprouter_wcsicmp(const WCHAR *one, const WCHAR *other) {
    return mprouter_wcsnicmp(one, other, (size_t)-1);
}

static __inline__ WCHAR *mprouter_wcschr(const WCHAR *text, WCHAR character) {
    for (; *text != character; text++)
        if (!*text)
            return NULL;
    return (WCHAR *)text;
}

static __inline__ WCHAR *mprouter_wcsrchr(const WCHAR *text, WCHAR character) {
    const WCHAR *last = NULL;
    do {
        if (*text == character)
            last = text;
    } while (*text++);
    return (WCHAR *)last;
}

static __inline__ WCHAR *mprouter_wcsstr(const WCHAR *text, const WCHAR *part) {
    size_t length = mprouter_wcslen(part);
    for (; mprouter_wcsncmp(text, part, length) != 0; text++)
        if (!*text)
            return NULL;
    return (WCHAR *)text;
}

static __inline__ WCHAR *mprouter_wcscpy(WCHAR *to, const WCHAR *from) {
    return (WCHAR *)memcpy(to, from, (mprouter_wcslen(from) + 1) * sizeof(WCHAR));
}

static __inline__ WCHAR *mprouter_wcscat(WCHAR *to, const WCHAR *from) {
    mprouter_wcscpy(to + mprouter_wcslen(to), from);
    return to;
}

static __inline__ WCHAR *mprouter_wcsdup(const WCHAR *text) {
    WCHAR *copy = (WCHAR *)malloc((mprouter_wcslen(text) + 1) * sizeof(WCHAR));
    return copy ? mprouter_wcscpy(copy, text) : NULL;
}

static __inline__ int mprouter_strnicmp(const char *one, const char *other, size_t count) {
    for (; count && *one && mprouter_lower((BYTE)*one) == mprouter_lower((BYTE)*other); one++, other++)
        count--;
    return count ? (int)mprouter_lower((BYTE)*one) - (int)mprouter_lower((BYTE)*other) : 0;
}

static __inline__ int mprouter_stricmp(const char *one, const char *other) {
    return mprouter_strnicmp(one, other, (size_t)-1);
}

#define _stricmp mprouter_stricmp
#define _strnicmp mprouter_strnicmp
#define lstrlenW(text) ((int)mprouter_wcslen(text))
#define lstrcmpW mprouter_wcscmp
#define lstrcmpiW mprouter_wcsicmp
#define lstrcpyW mprouter_wcscpy
#define lstrcatW mprouter_wcscat
#define _wcsicmp mprouter_wcsicmp
#define _wcsnicmp mprouter_wcsnicmp
#define _wcsdup mprouter_wcsdup
#ifdef UNICODE
#define lstrlen lstrlenW
#define lstrcmp lstrcmpW
#define lstrcmpi lstrcmpiW
#define lstrcpy lstrcpyW
#define lstrcat lstrcatW
#define OutputDebugString OutputDebugStringW
#endif

#if __SIZEOF_WCHAR_T__ == 2
#define MPROUTER_WRONG(name) \
    extern __typeof__(name) name __attribute__((__error__("this C library's " #name " takes 32-bit characters")));
MPROUTER_WRONG(fputws)
MPROUTER_WRONG(mbstowcs)
MPROUTER_WRONG(wcscat)
MPROUTER_WRONG(wcscmp)
MPROUTER_WRONG(wcscoll)
MPROUTER_WRONG(wcscpy)
MPROUTER_WRONG(wcscspn)
MPROUTER_WRONG(wcslen)
MPROUTER_WRONG(wcsncat)
MPROUTER_WRONG(wcsncmp)
MPROUTER_WRONG(wcsncpy)
MPROUTER_WRONG(wcsspn)
MPROUTER_WRONG(wcstok)
MPROUTER_WRONG(wcstol)
MPROUTER_WRONG(wcstombs)
MPROUTER_WRONG(wcstoul)
MPROUTER_WRONG(wmemcmp)
MPROUTER_WRONG(wmemcpy)
MPROUTER_WRONG(wmemmove)
MPROUTER_WRONG(wmemset)
#if !defined(__STRICT_ANSI__) || defined(__cplusplus) || __STDC_VERSION__ >= 199409L /* not with -std=c89 */
MPROUTER_WRONG(fwprintf)
MPROUTER_WRONG(swprintf)
MPROUTER_WRONG(vfwprintf)
MPROUTER_WRONG(vswprintf)
MPROUTER_WRONG(wprintf)
#endif
#ifndef __cplusplus
MPROUTER_WRONG(wcspbrk)
#endif
#if defined(__USE_FORTIFY_LEVEL) && __USE_FORTIFY_LEVEL > 0 /* what the GNU library makes of some of them */
MPROUTER_WRONG(__fwprintf_chk)
MPROUTER_WRONG(__swprintf_chk)
MPROUTER_WRONG(__vfwprintf_chk)
MPROUTER_WRONG(__vswprintf_chk)
MPROUTER_WRONG(__wprintf_chk)
#endif
#define wcslen mprouter_wcslen
#define wcscmp mprouter_wcscmp
#define wcsncmp mprouter_wcsncmp
#define wcschr mprouter_wcschr
#define wcsrchr mprouter_wcsrchr
#define wcsstr mprouter_wcsstr
#define wcscpy mprouter_wcscpy
#define wcscat mprouter_wcscat
#endif

/* ---- UTF-16 and UTF-8: the only other character set here, whatever code page is asked for --------------------- */

#define CP_ACP 0
#define CP_UTF8 65001

/*
 * length: in WCHARs, -1 = up to the final zero, and that too. Half of a surrogate pair becomes U+FFFD. Returns how many
 * bytes that is; 0 if there is no room for them, but with room = 0 the bytes that it takes.
 */
static __inline__ int WideCharToMultiByte(UINT page, DWORD flags, LPCWSTR text, int length, LPSTR to, int room,
                                          LPCSTR unknown, LPBOOL was_unknown) {
    int size = 0, at, more, each;
    uint32_t point;

    (void)page, (void)flags, (void)unknown, (void)was_unknown;
    if (length < 0)
        length = (int)mprouter_wcslen(text) + 1;
    for (at = 0; at < length; at++) {
        point = text[at];
        if ((point & 0xFC00) == 0xD800 && at + 1 < length && (text[at + 1] & 0xFC00) == 0xDC00)
            point = 0x10000 + ((point & 0x3FF) << 10) + (text[++at] & 0x3FFu);
        else if ((point & 0xF800) == 0xD800)
            point = 0xFFFD;
        more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
        if (room) {
            if (size + more >= room)
                return 0;
            to[size] = (char)(more ? (0xFF00 >> (more + 1) & 0xFF) | point >> 6 * more : point);
            for (each = 1; each <= more; each++)
                to[size + each] = (char)(0x80 | (point >> 6 * (more - each) & 0x3F));
        }
        size += more + 1;
    }
    return size;
}

/* length: in bytes, -1 = up to the final zero, and that too. What is no UTF-8 becomes U+FFFD. Returns as above. */
static __inline__ int MultiByteToWideChar(UINT page, DWORD flags, LPCSTR text, int length, LPWSTR to, int room) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    int size = 0, at, more, each;
    uint32_t point;

    (void)page, (void)flags;
    if (length < 0)
        length = (int)strlen(text) + 1;
    for (at = 0; at < length; at++) {
        point = (uint8_t)text[at];
        more = point < 0xC2 ? 0 : point < 0xE0 ? 1 : point < 0xF0 ? 2 : point < 0xF5 ? 3 : 0;
        if (point >= 0x80) {
            point = more ? point & (0x3Fu >> more) : 0xFFFD;
            for (each = 1; each <= more && at + each < length && (text[at + each] & 0xC0) == 0x80; each++)
                point = point << 6 | (text[at + each] & 0x3F);
            if (each <= more || point < least[more] || point > 0x10FFFF || (point & 0xFFFFF800) == 0xD800)
                point = 0xFFFD;
            else
                at += more;
        }
        each = point < 0x10000 ? 1 : 2;
        if (room) {
            if (size + each > room)
                return 0;
            to[size] = (WCHAR)(each == 1 ? point : 0xD800 + ((point - 0x10000) >> 10));
            if (each == 2)
                to[size + 1] = (WCHAR)(0xDC00 + (point & 0x3FF));
        }
        size += each;
    }
    return size;
}

static __inline__ VOID OutputDebugStringA(LPCSTR text) {
    fputs(text, stderr);
}

/* To standard error, which the router collects. */
static __inline__ VOID OutputDebugStringW(LPCWSTR text) {
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *bytes = (char *)malloc((size_t)size);
    if (bytes) {
        WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, size, NULL, NULL);
        OutputDebugStringA(bytes);
        free(bytes);
    }
}

#endif
