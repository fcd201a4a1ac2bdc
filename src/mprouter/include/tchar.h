/* tchar.h: the names with which a source for Windows is the same with and without UNICODE. */
#ifndef MPROUTER_TCHAR_H
#define MPROUTER_TCHAR_H

#include "windows.h"

#define _T(text) __TEXT(text)
#define _TEXT(text) __TEXT(text)

#ifdef UNICODE
#define _tcslen wcslen
#define _tcscmp wcscmp
#define _tcsncmp wcsncmp
#define _tcsicmp _wcsicmp
#define _tcsnicmp _wcsnicmp
#define _tcschr wcschr
#define _tcsrchr wcsrchr
#define _tcsstr wcsstr
#define _tcscpy wcscpy
#define _tcscat wcscat
#define _tcsdup _wcsdup
#else
#include <string.h>
#define _tcslen strlen
#define _tcscmp strcmp
#define _tcsncmp strncmp
#define _tcsicmp _stricmp
#define _tcsnicmp _strnicmp
#define _tcschr strchr
#define _tcsrchr strrchr
#define _tcsstr strstr
#define _tcscpy strcpy
#define _tcscat strcat
#define _tcsdup strdup
#endif

#endif
