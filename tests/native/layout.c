/* The sizes and offsets that a compiler gives the structures, to be read from its assembly. */
#include <windows.h>
#include <npapi.h>
#include <ntsecapi.h>
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
    sizeof(UNIVERSAL_NAME_INFOW), sizeof(REMOTE_NAME_INFOW),
    FIELD(REMOTE_NAME_INFOW, lpUniversalName), FIELD(REMOTE_NAME_INFOW, lpConnectionName),
    FIELD(REMOTE_NAME_INFOW, lpRemainingPath),
    sizeof(NETCONNECTINFOSTRUCT),
    FIELD(NETCONNECTINFOSTRUCT, cbStructure), FIELD(NETCONNECTINFOSTRUCT, dwFlags),
    FIELD(NETCONNECTINFOSTRUCT, dwSpeed), FIELD(NETCONNECTINFOSTRUCT, dwDelay),
    FIELD(NETCONNECTINFOSTRUCT, dwOptDataSize),
    sizeof(MSV1_0_INTERACTIVE_LOGON),
    FIELD(MSV1_0_INTERACTIVE_LOGON, MessageType), FIELD(MSV1_0_INTERACTIVE_LOGON, LogonDomainName),
    FIELD(MSV1_0_INTERACTIVE_LOGON, UserName), FIELD(MSV1_0_INTERACTIVE_LOGON, Password),
    sizeof(UNICODE_STRING),
    FIELD(UNICODE_STRING, Length), FIELD(UNICODE_STRING, MaximumLength), FIELD(UNICODE_STRING, Buffer),
};
