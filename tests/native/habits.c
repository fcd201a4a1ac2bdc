/* The ways in which sources for Windows are written; it compiles as C and as C++, and answers 0 if all is well. */
#include <windows.h>
#include <winnetwk.h>
#include <npapi.h>
#include <tchar.h>
#include <stdlib.h>

#pragma comment(lib, "mpr.lib")

#ifdef __cplusplus
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT __declspec(dllexport)
#endif

#define CHECK(truth)                                   \
    do {                                               \
        if (!(truth)) {                                \
            OutputDebugString(TEXT(#truth));           \
            return __LINE__;                           \
        }                                              \
    } while (0)

typedef struct _CONTEXT_DATA {
    DWORD dwTicks;
    TCHAR szName[MAX_PATH];
} CONTEXT_DATA, *PCONTEXT_DATA;

static HINSTANCE g_hInstance = NULL;
static const TCHAR g_szServer[] = _T("\\\\files\\");

BOOL WINAPI DllMain(HINSTANCE hinstDLL, DWORD fdwReason, LPVOID lpvReserved)
{
    UNREFERENCED_PARAMETER(lpvReserved);
    switch (fdwReason)
    {
    case DLL_PROCESS_ATTACH:
        DisableThreadLibraryCalls(hinstDLL);
        g_hInstance = hinstDLL;
        break;
    case DLL_PROCESS_DETACH:
        g_hInstance = NULL;
        break;
    }
    return TRUE;
}

EXPORT DWORD APIENTRY AddConnectNotify(_Inout_ LPNOTIFYINFO lpNotifyInfo, _In_ LPNOTIFYADD lpAddInfo)
{
    LPNETRESOURCE lpResource = &lpAddInfo->NetResource;
    PCONTEXT_DATA pData;

    if (lpNotifyInfo->dwNotifyStatus == NOTIFY_POST)
    {
        pData = (PCONTEXT_DATA)lpNotifyInfo->lpContext;
        CHECK(lstrcmp(pData->szName, lpResource->lpRemoteName) == 0);
        CHECK(GetTickCount() - pData->dwTicks < 60000);
        HeapFree(GetProcessHeap(), 0, pData);
        return WN_SUCCESS;
    }
    CHECK(g_hInstance != NULL);
    CHECK(lpResource->dwType == RESOURCETYPE_DISK);
    CHECK(_tcsnicmp(lpResource->lpRemoteName, g_szServer, _tcslen(g_szServer)) == 0);
    CHECK(_wcsicmp(L"Z:", lpResource->lpLocalName) == 0 && _wcsicmp(L"Y:", lpResource->lpLocalName) < 0);
    CHECK(wcsncmp(L"FILES", L"FILETS", 4) == 0 && wcsncmp(L"FILES", L"FILETS", 5) < 0);
    CHECK(wcscmp(wcschr(lpResource->lpRemoteName + 2, L'\\'), L"\\projects") == 0);
    CHECK(wcscmp(wcsrchr(lpResource->lpRemoteName, L'\\') + 1, L"projects") == 0);
    CHECK(wcschr(lpResource->lpRemoteName, L'!') == NULL && wcsrchr(lpResource->lpRemoteName, L'!') == NULL);
    CHECK(wcsstr(lpResource->lpRemoteName, L"proj") != NULL && wcsstr(lpResource->lpRemoteName, L"none") == NULL);
    CHECK(lstrlen(lpResource->lpRemoteName) < MAX_PATH);
    pData = (PCONTEXT_DATA)HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, sizeof(CONTEXT_DATA));
    if (pData == NULL)
        return WN_OUT_OF_MEMORY;
    pData->dwTicks = GetTickCount();
    wcscpy(pData->szName, L"\\\\FILES");
    wcscat(pData->szName, L"\\projects");
    lpNotifyInfo->lpContext = pData;
    return NO_ERROR;
}

EXPORT DWORD APIENTRY CancelConnectNotify(_Inout_ LPNOTIFYINFO lpNotifyInfo, _In_ LPNOTIFYCANCEL lpCancelInfo)
{
    UNREFERENCED_PARAMETER(lpNotifyInfo);
    return lpCancelInfo->fForce && (lpCancelInfo->dwFlags & CONNECT_UPDATE_PROFILE) ? WN_CANCEL : WN_SUCCESS;
}
