/* The sizes and offsets that a compiler gives the structures, to be read from its assembly. */
#include <windows.h>
#include <npapi.h>
#include <stddef.h>

#define FIELD(structure, field) offsetof(structure, field), sizeof(((structure *)0)->field)

const unsigned layout[] = {
    sizeof(DWORD), sizeof(BOOL), sizeof(WCHAR), sizeof(HWND), sizeof(LPVOID),
    sizeof(NOTIFYINFO),
    FIELD(NOTIFYINFO, dwNotifyStatus), FIELD(NOTIFYINFO, dwOperationStatus), FIELD(NOTIFYINFO, lpContext),
    sizeof(NETRESOURCEW),
    FIELD(NETRESOURCEW, dwScope), FIELD(NETRESOURCEW, dwType), FIELD(NETRESOURCEW, dwDisplayType),
    FIELD(NETRESOURCEW, dwUsage), FIELD(NETRESOURCEW, lpLocalName), FIELD(NETRESOURCEW, lpRemoteName),
    FIELD(NETRESOURCEW, lpComment), FIELD(NETRESOURCEW, lpProvider),
    sizeof(NETRESOURCEA), FIELD(NETRESOURCEA, dwUsage), FIELD(NETRESOURCEA, lpProvider),
    sizeof(NOTIFYADD),
    FIELD(NOTIFYADD, hwndOwner), FIELD(NOTIFYADD, NetResource), FIELD(NOTIFYADD, dwAddFlags),
    sizeof(NOTIFYCANCEL),
    FIELD(NOTIFYCANCEL, lpName), FIELD(NOTIFYCANCEL, lpProvider), FIELD(NOTIFYCANCEL, dwFlags),
    FIELD(NOTIFYCANCEL, fForce),
};
