/*
 * npapi.h: the Network Provider API and the Connection Notification API, for libraries that mprouter calls.
 *
 * A notifyee exports AddConnectNotify and CancelConnectNotify, a network provider NPGetCaps and those of the functions
 * NP... that it has. The names, values and layouts are those of the Windows header of this name, so that sources
 * written for Windows compile here; on Windows use that one. Everything that such a source needs of the types,
 * constants and structures is in this file; windows.h beside it adds what sources use of the functions of Windows.
 *
 * DWORD has 32 bits, pointers are the platform's, and text is UTF-16 in WCHARs. A WCHAR is a wchar_t where that has 16
 * bits (gcc -fshort-wchar, which L"..." needs), else a char16_t (u"..."); TEXT("...") fits both.
 */
#ifndef MPROUTER_NPAPI_H
#define MPROUTER_NPAPI_H

#ifdef _WIN32
#error "on Windows, use the npapi.h of the platform"
#endif

#include <stddef.h>
#include <stdint.h>

/* ---- how functions are declared --------------------------------------------------------------------------------- */

#define WINAPI
#define APIENTRY
#define __stdcall
#define __cdecl
#define __declspec(what) MPROUTER_DECLSPEC_##what
#define MPROUTER_DECLSPEC_dllexport __attribute__((visibility("default")))
#define MPROUTER_DECLSPEC_dllimport
#define MPROUTER_DECLSPEC_noreturn __attribute__((noreturn))
#define MPROUTER_DECLSPEC_thread __thread

/* ---- types ------------------------------------------------------------------------------------------------------ */

#define VOID void
#define TRUE 1
#define FALSE 0

typedef uint8_t BYTE, *PBYTE, *LPBYTE;
typedef uint16_t WORD, USHORT, *PWORD, *LPWORD;
typedef uint32_t DWORD, ULONG, UINT, *PDWORD, *LPDWORD, *PULONG, *PUINT;
typedef int16_t SHORT;
typedef int32_t LONG, INT, *PLONG, *LPLONG, *PINT, *LPINT;
typedef int32_t BOOL, WINBOOL, *PBOOL, *LPBOOL;
typedef uint8_t BOOLEAN, UCHAR;
typedef int64_t LONGLONG;
typedef uint64_t ULONGLONG, DWORDLONG;
typedef intptr_t INT_PTR, LONG_PTR;
typedef uintptr_t UINT_PTR, ULONG_PTR, DWORD_PTR;
typedef size_t SIZE_T;

typedef void *PVOID, *LPVOID, *HANDLE;
typedef HANDLE *PHANDLE, *LPHANDLE;
typedef const void *LPCVOID;
typedef struct HWND__ *HWND;
typedef struct HINSTANCE__ *HINSTANCE, *HMODULE;

typedef char CHAR, *PCHAR, *LPSTR, *PSTR;
typedef const char *LPCSTR, *PCSTR;
#if __SIZEOF_WCHAR_T__ == 2
typedef wchar_t WCHAR;
#define MPROUTER_WIDE(text) L##text
#elif defined(__cplusplus)
typedef char16_t WCHAR;
#define MPROUTER_WIDE(text) u##text
#else
typedef __CHAR16_TYPE__ WCHAR;
#define MPROUTER_WIDE(text) u##text
#endif
typedef WCHAR *PWCHAR, *LPWSTR, *PWSTR;
typedef const WCHAR *LPCWSTR, *PCWSTR;

#ifdef UNICODE
typedef WCHAR TCHAR;
#define __TEXT(text) MPROUTER_WIDE(text)
#else
typedef CHAR TCHAR;
#define __TEXT(text) text
#endif
#define TEXT(text) __TEXT(text)
typedef TCHAR *LPTSTR, *PTSTR;
typedef const TCHAR *LPCTSTR, *PCTSTR;

/* ---- statuses --------------------------------------------------------------------------------------------------- */

#define NO_ERROR 0
#define ERROR_SUCCESS 0
#define ERROR_FILE_NOT_FOUND 2
#define ERROR_PATH_NOT_FOUND 3
#define ERROR_TOO_MANY_OPEN_FILES 4
#define ERROR_ACCESS_DENIED 5
#define ERROR_INVALID_HANDLE 6
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_INVALID_DATA 13
#define ERROR_WRITE_FAULT 29
#define ERROR_GEN_FAILURE 31
#define ERROR_NOT_SUPPORTED 50
#define ERROR_BAD_NETPATH 53
#define ERROR_NETWORK_BUSY 54
#define ERROR_UNEXP_NET_ERR 59
#define ERROR_BAD_DEV_TYPE 66
#define ERROR_BAD_NET_NAME 67
#define ERROR_ALREADY_ASSIGNED 85
#define ERROR_INVALID_PASSWORD 86
#define ERROR_INVALID_PARAMETER 87
#define ERROR_DISK_FULL 112
#define ERROR_INVALID_LEVEL 124
#define ERROR_MOD_NOT_FOUND 126
#define ERROR_PROC_NOT_FOUND 127
#define ERROR_DIR_NOT_EMPTY 145
#define ERROR_BUSY 170
#define ERROR_NESTING_NOT_ALLOWED 215
#define ERROR_MORE_DATA 234
#define ERROR_NO_MORE_ITEMS 259
#define ERROR_DIRECTORY 267
#define ERROR_INVALID_ADDRESS 487
#define ERROR_UNHANDLED_EXCEPTION 574
#define ERROR_INVALID_IMAGE_HASH 577
#define ERROR_PROCESS_ABORTED 1067
#define ERROR_POSSIBLE_DEADLOCK 1131
#define ERROR_NOT_FOUND 1168
#define ERROR_BAD_DEVICE 1200
#define ERROR_CONNECTION_UNAVAIL 1201
#define ERROR_DEVICE_ALREADY_REMEMBERED 1202
#define ERROR_NO_NET_OR_BAD_PATH 1203
#define ERROR_BAD_PROVIDER 1204
#define ERROR_CANNOT_OPEN_PROFILE 1205
#define ERROR_BAD_PROFILE 1206
#define ERROR_NOT_CONTAINER 1207
#define ERROR_EXTENDED_ERROR 1208
#define ERROR_SESSION_CREDENTIAL_CONFLICT 1219
#define ERROR_NO_NETWORK 1222
#define ERROR_CANCELLED 1223
#define ERROR_CONNECTION_REFUSED 1225
#define ERROR_NETWORK_UNREACHABLE 1231
#define ERROR_HOST_UNREACHABLE 1232
#define ERROR_RETRY 1237
#define ERROR_SERVICE_NOT_FOUND 1243
#define ERROR_NOT_AUTHENTICATED 1244
#define ERROR_NOT_LOGGED_ON 1245
#define ERROR_ALREADY_INITIALIZED 1247
#define ERROR_NO_MORE_DEVICES 1248
#define ERROR_REVISION_MISMATCH 1306
#define ERROR_NO_LOGON_SERVERS 1311
#define ERROR_LOGON_FAILURE 1326
#define ERROR_MUTUAL_AUTH_FAILED 1397
#define ERROR_REQUIRES_INTERACTIVE_WINDOWSTATION 1459
#define ERROR_TIMEOUT 1460
#define ERROR_BAD_CONFIGURATION 1610
#define ERROR_CONNECTED_OTHER_PASSWORD 2108
#define ERROR_CONNECTED_OTHER_PASSWORD_DEFAULT 2109
#define ERROR_BAD_USERNAME 2202
#define ERROR_NOT_CONNECTED 2250
#define ERROR_OPEN_FILES 2401
#define ERROR_ACTIVE_CONNECTIONS 2402
#define ERROR_DEVICE_IN_USE 2404
#define ERROR_DATABASE_FAILURE 4313
#define ERROR_WINHTTP_SECURE_FAILURE 12175

#define WN_SUCCESS NO_ERROR
#define WN_CANCEL ERROR_CANCELLED
#define WN_RETRY ERROR_RETRY
#define WN_NO_ERROR NO_ERROR
#define WN_ACCESS_DENIED ERROR_ACCESS_DENIED
#define WN_BAD_HANDLE ERROR_INVALID_HANDLE
#define WN_OUT_OF_MEMORY ERROR_NOT_ENOUGH_MEMORY
#define WN_DEVICE_ERROR ERROR_GEN_FAILURE
#define WN_NOT_SUPPORTED ERROR_NOT_SUPPORTED
#define WN_NET_ERROR ERROR_UNEXP_NET_ERR
#define WN_WINDOWS_ERROR ERROR_UNEXP_NET_ERR
#define WN_BAD_DEV_TYPE ERROR_BAD_DEV_TYPE
#define WN_BAD_NETNAME ERROR_BAD_NET_NAME
#define WN_ALREADY_CONNECTED ERROR_ALREADY_ASSIGNED
#define WN_BAD_PASSWORD ERROR_INVALID_PASSWORD
#define WN_BAD_VALUE ERROR_INVALID_PARAMETER
#define WN_BAD_LEVEL ERROR_INVALID_LEVEL
#define WN_FUNCTION_BUSY ERROR_BUSY
#define WN_MORE_DATA ERROR_MORE_DATA
#define WN_NO_MORE_ENTRIES ERROR_NO_MORE_ITEMS
#define WN_BAD_POINTER ERROR_INVALID_ADDRESS
#define WN_BAD_LOCALNAME ERROR_BAD_DEVICE
#define WN_CONNECTION_CLOSED ERROR_CONNECTION_UNAVAIL
#define WN_DEVICE_ALREADY_REMEMBERED ERROR_DEVICE_ALREADY_REMEMBERED
#define WN_NO_NET_OR_BAD_PATH ERROR_NO_NET_OR_BAD_PATH
#define WN_BAD_PROVIDER ERROR_BAD_PROVIDER
#define WN_CANNOT_OPEN_PROFILE ERROR_CANNOT_OPEN_PROFILE
#define WN_BAD_PROFILE ERROR_BAD_PROFILE
#define WN_NOT_CONTAINER ERROR_NOT_CONTAINER
#define WN_EXTENDED_ERROR ERROR_EXTENDED_ERROR
#define WN_NO_NETWORK ERROR_NO_NETWORK
#define WN_NOT_AUTHENTICATED ERROR_NOT_AUTHENTICATED
#define WN_NOT_LOGGED_ON ERROR_NOT_LOGGED_ON
#define WN_NOT_INITIALIZING ERROR_ALREADY_INITIALIZED
#define WN_NO_MORE_DEVICES ERROR_NO_MORE_DEVICES
#define WN_NOT_VALIDATED ERROR_NO_LOGON_SERVERS
#define WN_CONNECTED_OTHER_PASSWORD ERROR_CONNECTED_OTHER_PASSWORD
#define WN_CONNECTED_OTHER_PASSWORD_DEFAULT ERROR_CONNECTED_OTHER_PASSWORD_DEFAULT
#define WN_BAD_USER ERROR_BAD_USERNAME
#define WN_NOT_CONNECTED ERROR_NOT_CONNECTED
#define WN_OPEN_FILES ERROR_OPEN_FILES
#define WN_DEVICE_IN_USE ERROR_DEVICE_IN_USE

/* ---- network resources ------------------------------------------------------------------------------------------ */

/* dwScope */
#define RESOURCE_CONNECTED 0x00000001
#define RESOURCE_GLOBALNET 0x00000002
#define RESOURCE_REMEMBERED 0x00000003
#define RESOURCE_RECENT 0x00000004
#define RESOURCE_CONTEXT 0x00000005

/* dwType */
#define RESOURCETYPE_ANY 0x00000000
#define RESOURCETYPE_DISK 0x00000001
#define RESOURCETYPE_PRINT 0x00000002
#define RESOURCETYPE_RESERVED 0x00000008
#define RESOURCETYPE_UNKNOWN 0xFFFFFFFF

/* dwDisplayType */
#define RESOURCEDISPLAYTYPE_GENERIC 0x00000000
#define RESOURCEDISPLAYTYPE_DOMAIN 0x00000001
#define RESOURCEDISPLAYTYPE_SERVER 0x00000002
#define RESOURCEDISPLAYTYPE_SHARE 0x00000003
#define RESOURCEDISPLAYTYPE_FILE 0x00000004
#define RESOURCEDISPLAYTYPE_GROUP 0x00000005
#define RESOURCEDISPLAYTYPE_NETWORK 0x00000006
#define RESOURCEDISPLAYTYPE_ROOT 0x00000007
#define RESOURCEDISPLAYTYPE_SHAREADMIN 0x00000008
#define RESOURCEDISPLAYTYPE_DIRECTORY 0x00000009
#define RESOURCEDISPLAYTYPE_TREE 0x0000000A
#define RESOURCEDISPLAYTYPE_NDSCONTAINER 0x0000000B

/* dwUsage */
#define RESOURCEUSAGE_CONNECTABLE 0x00000001
#define RESOURCEUSAGE_CONTAINER 0x00000002
#define RESOURCEUSAGE_NOLOCALDEVICE 0x00000004
#define RESOURCEUSAGE_SIBLING 0x00000008
#define RESOURCEUSAGE_ATTACHED 0x00000010
#define RESOURCEUSAGE_ALL (RESOURCEUSAGE_CONNECTABLE | RESOURCEUSAGE_CONTAINER | RESOURCEUSAGE_ATTACHED)
#define RESOURCEUSAGE_RESERVED 0x80000000

/* dwAddFlags and dwFlags */
#define CONNECT_UPDATE_PROFILE 0x00000001
#define CONNECT_UPDATE_RECENT 0x00000002
#define CONNECT_TEMPORARY 0x00000004
#define CONNECT_INTERACTIVE 0x00000008
#define CONNECT_PROMPT 0x00000010
#define CONNECT_NEED_DRIVE 0x00000020
#define CONNECT_REFCOUNT 0x00000040
#define CONNECT_REDIRECT 0x00000080
#define CONNECT_LOCALDRIVE 0x00000100
#define CONNECT_CURRENT_MEDIA 0x00000200
#define CONNECT_DEFERRED 0x00000400
#define CONNECT_COMMANDLINE 0x00000800
#define CONNECT_CMD_SAVECRED 0x00001000
#define CONNECT_CRED_RESET 0x00002000
#define CONNECT_REQUIRE_INTEGRITY 0x00004000
#define CONNECT_REQUIRE_PRIVACY 0x00008000
#define CONNECT_WRITE_THROUGH_SEMANTICS 0x00010000
#define CONNECT_GLOBAL_MAPPING 0x00040000
#define CONNECT_RESERVED 0xFF000000

typedef struct _NETRESOURCEA {
    DWORD dwScope;
    DWORD dwType;
    DWORD dwDisplayType;
    DWORD dwUsage;
    LPSTR lpLocalName;
    LPSTR lpRemoteName;
    LPSTR lpComment;
    LPSTR lpProvider;
} NETRESOURCEA, *LPNETRESOURCEA;

/* A name that the request did not give is NULL; one that it gave as empty is an empty string. */
typedef struct _NETRESOURCEW {
    DWORD dwScope;
    DWORD dwType;
    DWORD dwDisplayType;
    DWORD dwUsage;
    LPWSTR lpLocalName;
    LPWSTR lpRemoteName;
    LPWSTR lpComment;
    LPWSTR lpProvider;
} NETRESOURCEW, *LPNETRESOURCEW;

#ifdef UNICODE
typedef NETRESOURCEW NETRESOURCE;
typedef LPNETRESOURCEW LPNETRESOURCE;
#else
typedef NETRESOURCEA NETRESOURCE;
typedef LPNETRESOURCEA LPNETRESOURCE;
#endif

#define UNIVERSAL_NAME_INFO_LEVEL 0x00000001
#define REMOTE_NAME_INFO_LEVEL 0x00000002

typedef struct _UNIVERSAL_NAME_INFOW {
    LPWSTR lpUniversalName;
} UNIVERSAL_NAME_INFOW, *LPUNIVERSAL_NAME_INFOW;

typedef struct _REMOTE_NAME_INFOW {
    LPWSTR lpUniversalName;
    LPWSTR lpConnectionName;
    LPWSTR lpRemainingPath;
} REMOTE_NAME_INFOW, *LPREMOTE_NAME_INFOW;

#ifdef UNICODE
typedef UNIVERSAL_NAME_INFOW UNIVERSAL_NAME_INFO, *LPUNIVERSAL_NAME_INFO;
typedef REMOTE_NAME_INFOW REMOTE_NAME_INFO, *LPREMOTE_NAME_INFO;
#endif

#define WNCON_FORNETCARD 0x00000001
#define WNCON_NOTROUTED 0x00000002
#define WNCON_SLOWLINK 0x00000004
#define WNCON_DYNAMIC 0x00000008

/* dwSpeed: in units of 100 bit/s; dwDelay: in milliseconds; 0 = unknown, 1 = better than can be said. */
typedef struct _NETCONNECTINFOSTRUCT {
    DWORD cbStructure;
    DWORD dwFlags;
    DWORD dwSpeed;
    DWORD dwDelay;
    DWORD dwOptDataSize;
} NETCONNECTINFOSTRUCT, *LPNETCONNECTINFOSTRUCT;

/* ---- network providers ------------------------------------------------------------------------------------------ */

/* What NPGetCaps is asked for, and the bits of its answers. A function is called if its bit is set. */
#define WNNC_SPEC_VERSION 0x00000001
#define WNNC_SPEC_VERSION51 0x00050001
#define WNNC_NET_TYPE 0x00000002
#define WNNC_NET_NONE 0x00000000
#define WNNC_DRIVER_VERSION 0x00000003

#define WNNC_USER 0x00000004
#define WNNC_USR_GETUSER 0x00000001

#define WNNC_CONNECTION 0x00000006
#define WNNC_CON_ADDCONNECTION 0x00000001
#define WNNC_CON_CANCELCONNECTION 0x00000002
#define WNNC_CON_GETCONNECTIONS 0x00000004
#define WNNC_CON_ADDCONNECTION3 0x00000008
#define WNNC_CON_ADDCONNECTION4 0x00000010
#define WNNC_CON_CANCELCONNECTION2 0x00000020
#define WNNC_CON_GETPERFORMANCE 0x00000040
#define WNNC_CON_DEFER 0x00000080

#define WNNC_DIALOG 0x00000008
#define WNNC_DLG_DEVICEMODE 0x00000001
#define WNNC_DLG_PROPERTYDIALOG 0x00000020
#define WNNC_DLG_SEARCHDIALOG 0x00000040
#define WNNC_DLG_FORMATNETWORKNAME 0x00000080
#define WNNC_DLG_PERMISSIONEDITOR 0x00000100
#define WNNC_DLG_GETRESOURCEPARENT 0x00000200
#define WNNC_DLG_GETRESOURCEINFORMATION 0x00000800

#define WNNC_ADMIN 0x00000009
#define WNNC_ADM_GETDIRECTORYTYPE 0x00000001
#define WNNC_ADM_DIRECTORYNOTIFY 0x00000002

#define WNNC_ENUMERATION 0x0000000B
#define WNNC_ENUM_GLOBAL 0x00000001
#define WNNC_ENUM_LOCAL 0x00000002
#define WNNC_ENUM_CONTEXT 0x00000004
#define WNNC_ENUM_SHAREABLE 0x00000008

/* 0: the network does not start; WNNC_WAIT_FOR_START: it has; 0xFFFFFFFF: unknown; else milliseconds until it will. */
#define WNNC_START 0x0000000C
#define WNNC_WAIT_FOR_START 0x00000001

/* The CONNECT_ flags that NPAddConnection3 wants to see; 0: CONNECT_TEMPORARY. */
#define WNNC_CONNECTION_FLAGS 0x0000000D
#define WNNC_CF_DEFAULT (CONNECT_TEMPORARY | CONNECT_INTERACTIVE | CONNECT_PROMPT)

#define WNGETCON_CONNECTED 0x00000000
#define WNGETCON_DISCONNECTED 0x00000001

#define WN_NETWORK_CLASS 0x00000001
#define WN_CREDENTIAL_CLASS 0x00000002
#define WN_PRIMARY_AUTHENT_CLASS 0x00000004
#define WN_SERVICE_CLASS 0x00000008

#define WN_VALID_LOGON_ACCOUNT 0x00000001
#define WN_NT_PASSWORD_CHANGED 0x00000002

typedef struct _LUID {
    DWORD LowPart;
    LONG HighPart;
} LUID, *PLUID;

/*
 * A device is a directory here: the lpLocalName of NPAddConnection is the absolute path of an empty directory of the
 * user's, and the resource has to appear in it before the function returns WN_SUCCESS, to stay until
 * NPCancelConnection, although the process that made the call ends before: each command has its own. A connection
 * without a device has a directory too, so that lpLocalName is never NULL. NPCancelConnection and NPGetConnection get
 * that path, from any process; after NPCancelConnection the directory is to be empty again. A function that fails
 * leaves nothing behind.
 *
 * lpPassword: NULL = the default, "" = none. It is wiped when the function has returned; wipe your copies. What has
 * to be asked of a person, the router asks, when the answer is WN_BAD_PASSWORD, ERROR_LOGON_FAILURE or
 * WN_ACCESS_DENIED: hwndOwner is NULL, and CONNECT_INTERACTIVE and CONNECT_PROMPT are never set.
 *
 * What is written into an lpBuffer begins with the structures; the strings follow, and all pointers stay inside.
 */
#ifdef __cplusplus
extern "C" {
#endif

__declspec(dllexport) DWORD APIENTRY NPGetCaps(DWORD ndex);
__declspec(dllexport) DWORD APIENTRY NPAddConnection(LPNETRESOURCEW lpNetResource, LPWSTR lpPassword,
                                                     LPWSTR lpUserName);
__declspec(dllexport) DWORD APIENTRY NPAddConnection3(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPWSTR lpPassword,
                                                      LPWSTR lpUserName, DWORD dwFlags);
__declspec(dllexport) DWORD APIENTRY NPCancelConnection(LPWSTR lpName, BOOL fForce);
__declspec(dllexport) DWORD APIENTRY NPGetConnection(LPWSTR lpLocalName, LPWSTR lpRemoteName, LPDWORD lpnBufferLen);
__declspec(dllexport) DWORD APIENTRY NPGetConnectionPerformance(LPCWSTR lpRemoteName,
                                                                LPNETCONNECTINFOSTRUCT lpNetConnectInfo);
__declspec(dllexport) DWORD APIENTRY NPGetUniversalName(LPCWSTR lpLocalPath, DWORD dwInfoLevel, LPVOID lpBuffer,
                                                        LPDWORD lpBufferSize);
__declspec(dllexport) DWORD APIENTRY NPGetUser(LPWSTR lpName, LPWSTR lpUserName, LPDWORD lpnBufferLen);
__declspec(dllexport) DWORD APIENTRY NPOpenEnum(DWORD dwScope, DWORD dwType, DWORD dwUsage,
                                                LPNETRESOURCEW lpNetResource, LPHANDLE lphEnum);
__declspec(dllexport) DWORD APIENTRY NPEnumResource(HANDLE hEnum, LPDWORD lpcCount, LPVOID lpBuffer,
                                                    LPDWORD lpBufferSize);
__declspec(dllexport) DWORD APIENTRY NPCloseEnum(HANDLE hEnum);
__declspec(dllexport) DWORD APIENTRY NPGetResourceParent(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer,
                                                         LPDWORD lpBufferSize);
__declspec(dllexport) DWORD APIENTRY NPGetResourceInformation(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer,
                                                              LPDWORD lpBufferSize, LPWSTR *lplpSystem);
__declspec(dllexport) DWORD APIENTRY NPLogonNotify(PLUID lpLogonId, LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
                                                   LPCWSTR lpPreviousAuthentInfoType, LPVOID lpPreviousAuthentInfo,
                                                   LPWSTR lpStationName, LPVOID StationHandle, LPWSTR *lpLogonScript);
__declspec(dllexport) DWORD APIENTRY NPPasswordChangeNotify(LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
                                                            LPCWSTR lpPreviousAuthentInfoType,
                                                            LPVOID lpPreviousAuthentInfo, LPWSTR lpStationName,
                                                            LPVOID StationHandle, DWORD dwChangeInfo);

/*
 * What a provider says when it returns WN_EXTENDED_ERROR: a code and words of its own. The router gives the library the
 * function through this variable, which every library has that was compiled with this file.
 */
typedef VOID(APIENTRY *PF_WNetSetLastErrorW)(DWORD err, LPCWSTR lpError, LPCWSTR lpProviders);
__attribute__((weak, visibility("default"))) PF_WNetSetLastErrorW mprouter_WNetSetLastErrorW;

static __inline__ VOID WNetSetLastErrorW(DWORD err, LPCWSTR lpError, LPCWSTR lpProviders) {
    if (mprouter_WNetSetLastErrorW != NULL)
        mprouter_WNetSetLastErrorW(err, lpError, lpProviders);
}
#ifdef UNICODE
#define WNetSetLastError WNetSetLastErrorW
#endif

#ifdef __cplusplus
}
#endif

/* ---- notification ----------------------------------------------------------------------------------------------- */

#define NOTIFY_PRE 0x00000001
#define NOTIFY_POST 0x00000002

/*
 * dwNotifyStatus: NOTIFY_PRE or NOTIFY_POST. dwOperationStatus: before, WN_SUCCESS, or WN_RETRY when the operation is
 * about to be attempted again; after, how it went. lpContext: NULL before; what is left there comes back afterwards,
 * bit for bit. Left NULL, nothing comes afterwards.
 */
typedef struct _NOTIFYINFO {
    DWORD dwNotifyStatus;
    DWORD dwOperationStatus;
    LPVOID lpContext;
} NOTIFYINFO, *LPNOTIFYINFO;

/* The router passes UTF-16 whether or not UNICODE is defined. All of it lives until the function returns. */
typedef struct _NOTIFYADD {
    HWND hwndOwner;
    NETRESOURCEW NetResource;
    DWORD dwAddFlags;
} NOTIFYADD, *LPNOTIFYADD;

/* lpName: local or remote, as the request gave it. lpProvider: NULL, but after a success the provider's name. */
typedef struct _NOTIFYCANCEL {
    LPWSTR lpName;
    LPWSTR lpProvider;
    DWORD dwFlags;
    BOOL fForce;
} NOTIFYCANCEL, *LPNOTIFYCANCEL;

typedef DWORD(WINAPI *PF_AddConnectNotify)(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYADD lpAddInfo);
typedef DWORD(WINAPI *PF_CancelConnectNotify)(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYCANCEL lpCancelInfo);

#ifdef __cplusplus
extern "C" {
#endif

__declspec(dllexport) DWORD WINAPI AddConnectNotify(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYADD lpAddInfo);
__declspec(dllexport) DWORD WINAPI CancelConnectNotify(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYCANCEL lpCancelInfo);

#ifdef __cplusplus
}
#endif

#endif
