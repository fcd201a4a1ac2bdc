/* ntsecapi.h: what NPLogonNotify and NPPasswordChangeNotify get as lpAuthentInfo. Nothing else of that header is here. */
#ifndef MPROUTER_NTSECAPI_H
#define MPROUTER_NTSECAPI_H

#include "npapi.h"

/* Length and MaximumLength: in bytes; a final zero is not counted. */
typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    PWSTR Buffer;
} UNICODE_STRING, *PUNICODE_STRING;

typedef enum { MsV1_0InteractiveLogon = 2 } MSV1_0_LOGON_SUBMIT_TYPE;
typedef enum { KerbInteractiveLogon = 2 } KERB_LOGON_SUBMIT_TYPE;

/* For the lpAuthentInfoType MSV1_0:Interactive. */
typedef struct _MSV1_0_INTERACTIVE_LOGON {
    MSV1_0_LOGON_SUBMIT_TYPE MessageType;
    UNICODE_STRING LogonDomainName;
    UNICODE_STRING UserName;
    UNICODE_STRING Password;
} MSV1_0_INTERACTIVE_LOGON, *PMSV1_0_INTERACTIVE_LOGON;

/* For the lpAuthentInfoType Kerberos:Interactive. */
typedef struct _KERB_INTERACTIVE_LOGON {
    KERB_LOGON_SUBMIT_TYPE MessageType;
    UNICODE_STRING LogonDomainName;
    UNICODE_STRING UserName;
    UNICODE_STRING Password;
} KERB_INTERACTIVE_LOGON, *PKERB_INTERACTIVE_LOGON;

#endif
