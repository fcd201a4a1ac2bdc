"""What Windows itself says of a status (``FormatMessage``): for those who bring its habits, and scripts that show it.

The project's own words for a status are ``Status.text``.
"""

from mprouter.status import Status

__all__ = ["message"]

_MESSAGES = {
    Status.WN_SUCCESS: "The operation completed successfully.",
    Status.ERROR_FILE_NOT_FOUND: "The system cannot find the file specified.",
    Status.ERROR_PATH_NOT_FOUND: "The system cannot find the path specified.",
    Status.ERROR_TOO_MANY_OPEN_FILES: "The system cannot open the file.",
    Status.ERROR_ACCESS_DENIED: "Access is denied.",
    Status.ERROR_INVALID_HANDLE: "The handle is invalid.",
    Status.ERROR_NOT_ENOUGH_MEMORY: "Not enough memory resources are available to process this command.",
    Status.ERROR_INVALID_DATA: "The data is invalid.",
    Status.ERROR_WRITE_FAULT: "The system cannot write to the specified device.",
    Status.ERROR_GEN_FAILURE: "A device attached to the system is not functioning.",
    Status.ERROR_NOT_SUPPORTED: "The request is not supported.",
    Status.ERROR_BAD_NETPATH: "The network path was not found.",
    Status.ERROR_NETWORK_BUSY: "The network is busy.",
    Status.ERROR_UNEXP_NET_ERR: "An unexpected network error occurred.",
    Status.ERROR_BAD_DEV_TYPE: "The network resource type is not correct.",
    Status.ERROR_BAD_NET_NAME: "The network name cannot be found.",
    Status.ERROR_ALREADY_ASSIGNED: "The local device name is already in use.",
    Status.ERROR_INVALID_PASSWORD: "The specified network password is not correct.",
    Status.ERROR_INVALID_PARAMETER: "The parameter is incorrect.",
    Status.ERROR_DISK_FULL: "There is not enough space on the disk.",
    Status.ERROR_INVALID_LEVEL: "The system call level is not correct.",
    Status.ERROR_MOD_NOT_FOUND: "The specified module could not be found.",
    Status.ERROR_PROC_NOT_FOUND: "The specified procedure could not be found.",
    Status.ERROR_DIR_NOT_EMPTY: "The directory is not empty.",
    Status.ERROR_BUSY: "The requested resource is in use.",
    Status.ERROR_DIRECTORY: "The directory name is invalid.",
    Status.ERROR_PROCESS_ABORTED: "The process terminated unexpectedly.",
    Status.ERROR_NOT_FOUND: "Element not found.",
    Status.ERROR_BAD_DEVICE: "The specified device name is invalid.",
    Status.ERROR_CONNECTION_UNAVAIL: "The device is not currently connected but it is a remembered connection.",
    Status.ERROR_DEVICE_ALREADY_REMEMBERED: "The local device name has a remembered connection to another network "
    "resource.",
    Status.ERROR_NO_NET_OR_BAD_PATH: "The network path was either typed incorrectly, does not exist, or the network "
    "provider is not currently available. Please try retyping the path or contact your network administrator.",
    Status.ERROR_BAD_PROVIDER: "The specified network provider name is invalid.",
    Status.ERROR_CANNOT_OPEN_PROFILE: "Unable to open the network connection profile.",
    Status.ERROR_BAD_PROFILE: "The network connection profile is corrupted.",
    Status.ERROR_NOT_CONTAINER: "Cannot enumerate a noncontainer.",
    Status.ERROR_EXTENDED_ERROR: "An extended error has occurred.",
    Status.ERROR_NO_NETWORK: "The network is not present or not started.",
    Status.WN_CANCEL: "The operation was canceled by the user.",
    Status.ERROR_CONNECTION_REFUSED: "The remote computer refused the network connection.",
    Status.ERROR_NETWORK_UNREACHABLE: "The network location cannot be reached.",
    Status.ERROR_HOST_UNREACHABLE: "The network location cannot be reached.",
    Status.WN_RETRY: "The operation could not be completed. A retry should be performed.",
    Status.ERROR_NO_MORE_DEVICES: "No more local devices.",
    Status.ERROR_LOGON_FAILURE: "The user name or password is incorrect.",
    Status.ERROR_REQUIRES_INTERACTIVE_WINDOWSTATION: "This operation requires an interactive window station.",
    Status.ERROR_TIMEOUT: "This operation returned because the timeout period expired.",
    Status.ERROR_BAD_USERNAME: "The specified username is invalid.",
    Status.ERROR_NOT_CONNECTED: "The network connection could not be found.",
    Status.ERROR_OPEN_FILES: "There are open files on the connection.",
    Status.ERROR_ACTIVE_CONNECTIONS: "Active connections still exist.",
    Status.ERROR_DEVICE_IN_USE: "The device is in use by an active process and cannot be disconnected.",
    Status.ERROR_SESSION_CREDENTIAL_CONFLICT: "Multiple connections to a server or shared resource by the same user, "
    "using more than one user name, are not allowed. Disconnect all previous connections to the server or shared "
    "resource and try again.",
    Status.ERROR_NO_MORE_ITEMS: "No more data is available.",
    Status.ERROR_MORE_DATA: "More data is available.",
    Status.ERROR_INVALID_ADDRESS: "Attempt to access invalid address.",
    Status.ERROR_NOT_AUTHENTICATED: "The operation being requested was not performed because the user has not been "
    "authenticated.",
    Status.WSAHOST_NOT_FOUND: "No such host is known.",
}


def message(status: Status) -> str:
    """The text of Windows for *status*; where it has none that fits, this program's."""
    return _MESSAGES.get(status) or f"{status.text[0].upper()}{status.text[1:]}."
