/*
 * A native notifyee in C++: refuses servers by their names, and has a connection tried again while the network comes up.
 *
 *     g++ -shared -fPIC $(mpr config --cflags) gatekeeper.cpp -o gatekeeper.so
 *     mpr notify add gatekeeper native:$PWD/gatekeeper.so --required
 *
 * It is a source for Windows: the same lines make a DLL there.
 */
#include <windows.h>
#include <npapi.h>

#include <memory>

namespace {

// Servers that nobody connects to, by the beginning of the remote name, in whatever case.
const LPCWSTR refused[] = {L"\\\\quarantine\\", L"smb://quarantine/", L"ftp://"};

// What is remembered from before an attempt to after it.
struct Attempt {
    int retries_left = 2;
};

bool is_refused(LPCWSTR name) {
    for (LPCWSTR each : refused)
        if (_wcsnicmp(name, each, wcslen(each)) == 0)
            return true;
    return false;
}

bool may_pass(DWORD status) {
    return status == ERROR_NETWORK_UNREACHABLE || status == ERROR_HOST_UNREACHABLE;
}

}  // namespace

// An exception must not leave a C function; with "new (std::nothrow)" and no throwing calls there is none.
extern "C" DWORD WINAPI AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {
    if (info->dwNotifyStatus == NOTIFY_PRE) {
        LPCWSTR name = add->NetResource.lpRemoteName;
        if (name != nullptr && is_refused(name))
            return WN_CANCEL;
        info->lpContext = new (std::nothrow) Attempt;
        return WN_SUCCESS;
    }
    std::unique_ptr<Attempt> attempt(static_cast<Attempt *>(info->lpContext));
    if (may_pass(info->dwOperationStatus) && attempt->retries_left > 0) {
        --attempt->retries_left;
        Sleep(100);
        attempt.release();  // the router keeps the context when it tries again
        return WN_RETRY;
    }
    return WN_SUCCESS;
}

// Disconnecting is nobody's business: no context, so there is no call afterwards either.
extern "C" DWORD WINAPI CancelConnectNotify(LPNOTIFYINFO, LPNOTIFYCANCEL) {
    return WN_SUCCESS;
}
