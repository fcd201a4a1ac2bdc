/*
 * A native network provider in C: the directories of a cabinet, as drives.
 *
 *     gcc -shared -fPIC $(mpr config --cflags) cabinet.c -o cabinet.so
 *     mkdir -p ~/Cabinet/letters ~/.config/mprouter/providers.d
 *     echo "target = 'native:$PWD/cabinet.so'" > ~/.config/mprouter/providers.d/cabinet.toml
 *     echo "match = ['//cabinet/?*']" >> ~/.config/mprouter/providers.d/cabinet.toml
 *     mpr connect //cabinet/letters Z:
 *
 * \\cabinet\NAME is the directory NAME in $CABINET, or in ~/Cabinet. Connecting it puts a link to each of its files into
 * the device, which is a directory here; disconnecting takes the links away and moves what is new there into the
 * cabinet. With a file .key in it the directory wants what stands there as a password.
 */
#include <windows.h>
#include <npapi.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVER "\\\\cabinet"
#define MARK ".cabinet" /* the link in a device that says what is connected there */
#define KEY ".key"

/* ---- names and errors ------------------------------------------------------------------------------------------- */

/* The words of an error of the system, for WN_EXTENDED_ERROR. */
static DWORD Failed(const char *what, int number) {
    char text[512];
    WCHAR wide[512];

    snprintf(text, sizeof text, "%.200s: %s", what, strerror(number));
    if (MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, 512) > 0)
        WNetSetLastError((DWORD)number, wide, TEXT("cabinet"));
    return number == EACCES ? WN_ACCESS_DENIED : WN_EXTENDED_ERROR;
}

static BOOL ToText(LPCWSTR wide, char *text) {
    return wide != NULL && WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, PATH_MAX, NULL, NULL) > 0;
}

/* directory/name; TRUE if it is not too long. */
static BOOL Join(char *path, const char *directory, const char *name) {
    return snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX;
}

static BOOL Root(char *path) {
    const char *root = getenv("CABINET"), *home = getenv("HOME");

    return root != NULL ? snprintf(path, PATH_MAX, "%s", root) < PATH_MAX : Join(path, home ? home : "", "Cabinet");
}

/* The directory that \\cabinet\NAME\rest means, and NAME and \rest; of \\cabinet alone, NAME is "". */
static DWORD Find(LPCWSTR remote, char *path, char *name, char *rest) {
    char text[PATH_MAX], root[PATH_MAX], *end;
    struct stat found;

    if (!ToText(remote, text) || _strnicmp(text, SERVER, strlen(SERVER)) != 0 || !Root(root))
        return WN_BAD_NETNAME;
    end = text + strlen(SERVER);
    if (*end != '\0' && *end++ != '\\')
        return WN_BAD_NETNAME;
    snprintf(rest, PATH_MAX, "%s", strchr(end, '\\') ? strchr(end, '\\') : "");
    end[strcspn(end, "\\")] = '\0';
    snprintf(name, PATH_MAX, "%s", end);
    if (!Join(path, root, name) || *name == '.' || stat(path, &found) != 0 || !S_ISDIR(found.st_mode))
        return WN_BAD_NETNAME;
    return WN_SUCCESS;
}

/* ---- connecting ------------------------------------------------------------------------------------------------- */

/* Whether the password opens a directory. */
static DWORD Open(const char *directory, LPCWSTR password) {
    char path[PATH_MAX], key[256] = "", given[256] = "";
    FILE *file;
    DWORD status;

    if (!Join(path, directory, KEY) || (file = fopen(path, "r")) == NULL)
        return WN_SUCCESS; /* there is no lock */
    if (fgets(key, sizeof key, file) != NULL)
        key[strcspn(key, "\n")] = '\0';
    fclose(file);
    if (password != NULL)
        WideCharToMultiByte(CP_UTF8, 0, password, -1, given, sizeof given, NULL, NULL);
    status = password == NULL ? ERROR_LOGON_FAILURE : strcmp(key, given) != 0 ? WN_BAD_PASSWORD : WN_SUCCESS;
    SecureZeroMemory(given, sizeof given);
    SecureZeroMemory(key, sizeof key);
    return status;
}

/* Take away the links that lead from a device into a directory. */
static void TakeLinks(const char *device, const char *directory) {
    char path[PATH_MAX], leads[PATH_MAX];
    struct dirent *each;
    ssize_t length;
    DIR *open = opendir(device);

    while (open != NULL && (each = readdir(open)) != NULL) {
        if (!Join(path, device, each->d_name) || (length = readlink(path, leads, sizeof leads - 1)) < 0)
            continue;
        leads[length] = '\0';
        if (strncmp(leads, directory, strlen(directory)) == 0 && strcmp(each->d_name, MARK) != 0)
            unlink(path);
    }
    if (open != NULL)
        closedir(open);
}

static DWORD PutLinks(const char *device, const char *directory) {
    char path[PATH_MAX], leads[PATH_MAX];
    struct dirent *each;
    int number = 0;
    DIR *open = opendir(directory);

    if (open == NULL)
        return Failed(directory, errno);
    while (number == 0 && (each = readdir(open)) != NULL)
        if (each->d_name[0] != '.' && Join(leads, directory, each->d_name) && Join(path, device, each->d_name))
            number = symlink(leads, path) == 0 ? 0 : errno;
    closedir(open);
    if (number == 0 && Join(path, device, MARK))
        number = symlink(directory, path) == 0 ? 0 : errno; /* last: now it stands */
    if (number == 0)
        return WN_SUCCESS;
    TakeLinks(device, directory);
    return Failed(device, number);
}

DWORD APIENTRY NPAddConnection3(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPWSTR lpPassword, LPWSTR lpUserName,
                                DWORD dwFlags) {
    char device[PATH_MAX], directory[PATH_MAX], name[PATH_MAX], rest[PATH_MAX];
    DWORD status;

    (void)hwndOwner, (void)lpUserName, (void)dwFlags;
    status = Find(lpNetResource->lpRemoteName, directory, name, rest);
    if (status != WN_SUCCESS || *name == '\0')
        return WN_BAD_NETNAME;
    if (lpNetResource->dwType == RESOURCETYPE_PRINT)
        return WN_BAD_DEV_TYPE;
    if (!ToText(lpNetResource->lpLocalName, device))
        return WN_BAD_LOCALNAME;
    status = Open(directory, lpPassword);
    if (status != WN_SUCCESS)
        return status;
    for (char *each = rest; *each != '\0'; each++)
        if (*each == '\\')
            *each = '/';
    if (strlen(directory) + strlen(rest) >= sizeof directory)
        return WN_BAD_NETNAME;
    return PutLinks(device, strcat(directory, rest));
}

/* The directory that is connected to a device. */
static DWORD Connected(LPCWSTR local, char *device, char *directory) {
    char mark[PATH_MAX];
    ssize_t length;

    if (!ToText(local, device) || *device != '/' || !Join(mark, device, MARK))
        return WN_NOT_CONNECTED;
    length = readlink(mark, directory, PATH_MAX - 1);
    if (length < 0)
        return WN_NOT_CONNECTED;
    directory[length] = '\0';
    return WN_SUCCESS;
}

DWORD APIENTRY NPGetConnection(LPWSTR lpLocalName, LPWSTR lpRemoteName, LPDWORD lpnBufferLen) {
    char device[PATH_MAX], directory[PATH_MAX], root[PATH_MAX], remote[PATH_MAX + 16];
    DWORD status = Connected(lpLocalName, device, directory), needed;

    if (status != WN_SUCCESS || !Root(root))
        return WN_NOT_CONNECTED;
    if (strncmp(directory, root, strlen(root)) == 0)
        memmove(directory, directory + strlen(root), strlen(directory + strlen(root)) + 1);
    snprintf(remote, sizeof remote, "%s%s", SERVER, directory);
    for (char *each = remote; *each != '\0'; each++)
        if (*each == '/')
            *each = '\\';
    needed = (DWORD)MultiByteToWideChar(CP_UTF8, 0, remote, -1, NULL, 0);
    if (needed > *lpnBufferLen) {
        *lpnBufferLen = needed;
        return WN_MORE_DATA;
    }
    MultiByteToWideChar(CP_UTF8, 0, remote, -1, lpRemoteName, (int)*lpnBufferLen);
    return WN_SUCCESS;
}

/* ---- disconnecting ---------------------------------------------------------------------------------------------- */

/* Whether a process of this user has something open in one of two directories. */
static BOOL IsOpen(const char *one, const char *other) {
    char fds[PATH_MAX], leads[PATH_MAX];
    struct dirent *process, *fd;
    DIR *processes = opendir("/proc"), *open;
    ssize_t length;
    BOOL found = FALSE;

    while (processes != NULL && !found && (process = readdir(processes)) != NULL) {
        if (process->d_name[0] < '0' || process->d_name[0] > '9')
            continue;
        snprintf(fds, sizeof fds, "/proc/%s/fd", process->d_name);
        open = opendir(fds);
        while (open != NULL && !found && (fd = readdir(open)) != NULL) {
            length = readlinkat(dirfd(open), fd->d_name, leads, sizeof leads - 1);
            leads[length < 0 ? 0 : length] = '\0';
            found = (strncmp(leads, one, strlen(one)) == 0 && leads[strlen(one)] == '/') ||
                    (strncmp(leads, other, strlen(other)) == 0 && leads[strlen(other)] == '/');
        }
        if (open != NULL)
            closedir(open);
    }
    if (processes != NULL)
        closedir(processes);
    return found;
}

/* Copy a file to another file system, whole or not at all. Returns 0 or a number of errno. */
static int Copy(const char *from, const char *to) {
    char block[65536], beside[PATH_MAX];
    int number = 0, in = open(from, O_RDONLY | O_NOFOLLOW), out = -1;
    ssize_t size = 0;

    if (in < 0)
        return errno;
    if (snprintf(beside, sizeof beside, "%s~", to) >= (int)sizeof beside)
        number = ENAMETOOLONG;
    else if ((out = open(beside, O_WRONLY | O_CREAT | O_TRUNC, 0666)) < 0)
        number = errno;
    while (number == 0 && (size = read(in, block, sizeof block)) > 0)
        for (ssize_t done = 0, now; number == 0 && done < size; done += now)
            if ((now = write(out, block + done, (size_t)(size - done))) < 0)
                number = errno;
    if (number == 0 && (size < 0 || fsync(out) != 0 || rename(beside, to) != 0))
        number = errno;
    close(in);
    if (out >= 0)
        close(out);
    if (number != 0 && out >= 0)
        unlink(beside);
    return number;
}

static int MoveAll(const char *from, const char *to);

/* Move a file or directory, also to another file system. Returns 0 or a number of errno. */
static int Move(const char *from, const char *to) {
    struct stat found;
    int number;

    if (lstat(from, &found) != 0)
        return errno;
    if (S_ISDIR(found.st_mode)) {
        if (mkdir(to, 0777) != 0 && errno != EEXIST)
            return errno;
        number = MoveAll(from, to);
        return number != 0 || rmdir(from) == 0 ? number : errno;
    }
    if (rename(from, to) == 0)
        return 0;
    if (errno != EXDEV)
        return errno;
    number = Copy(from, to);
    return number != 0 || unlink(from) == 0 ? number : errno;
}

/* Move all that is in a directory, but for the mark. */
static int MoveAll(const char *from, const char *to) {
    char old[PATH_MAX], new[PATH_MAX];
    struct dirent *each;
    int number = 0;
    DIR *open = opendir(from);

    if (open == NULL)
        return errno;
    while (number == 0 && (each = readdir(open)) != NULL)
        if (strcmp(each->d_name, ".") != 0 && strcmp(each->d_name, "..") != 0 && strcmp(each->d_name, MARK) != 0)
            number = Join(old, from, each->d_name) && Join(new, to, each->d_name) ? Move(old, new) : ENAMETOOLONG;
    closedir(open);
    return number;
}

/* What is new in the device is in the cabinet before the connection goes; else the connection stands. */
DWORD APIENTRY NPCancelConnection(LPWSTR lpName, BOOL fForce) {
    char device[PATH_MAX], directory[PATH_MAX], mark[PATH_MAX];
    DWORD status = Connected(lpName, device, directory);
    int number;

    if (status != WN_SUCCESS) { /* perhaps half an add, which was cut off: links, and no mark yet */
        if (ToText(lpName, device) && Root(directory))
            TakeLinks(device, directory);
        return status;
    }
    if (!fForce && IsOpen(device, directory))
        return WN_OPEN_FILES;
    TakeLinks(device, directory);
    number = MoveAll(device, directory);
    if (number != 0) {
        Failed(directory, number);
        if (Join(mark, device, MARK))
            unlink(mark);
        PutLinks(device, directory);
        return ERROR_WRITE_FAULT;
    }
    if (Join(mark, device, MARK))
        unlink(mark);
    return WN_SUCCESS;
}

/* ---- browsing --------------------------------------------------------------------------------------------------- */

/* Write a NETRESOURCE into a buffer: the structure at its begin, the text at its end. FALSE if there is no room. */
static BOOL Put(NETRESOURCEW *structure, BYTE **end, const char *remote, DWORD display, DWORD usage) {
    int length = MultiByteToWideChar(CP_UTF8, 0, remote, -1, NULL, 0);
    BYTE *text = *end - (size_t)length * sizeof(WCHAR);

    if (text < (BYTE *)(structure + 1))
        return FALSE;
    ZeroMemory(structure, sizeof *structure);
    structure->dwScope = RESOURCE_GLOBALNET;
    structure->dwType = RESOURCETYPE_DISK;
    structure->dwDisplayType = display;
    structure->dwUsage = usage;
    structure->lpRemoteName = (LPWSTR)text;
    MultiByteToWideChar(CP_UTF8, 0, remote, -1, structure->lpRemoteName, length);
    *end = text;
    return TRUE;
}

/* The next directory of the cabinet; FALSE at the end. */
static BOOL Next(DIR *open, char *remote) {
    struct dirent *each;

    do {
        each = readdir(open);
    } while (each != NULL && (each->d_name[0] == '.' || each->d_type != DT_DIR));
    if (each != NULL)
        snprintf(remote, PATH_MAX, SERVER "\\%s", each->d_name);
    return each != NULL;
}

DWORD APIENTRY NPOpenEnum(DWORD dwScope, DWORD dwType, DWORD dwUsage, LPNETRESOURCEW lpNetResource, LPHANDLE lphEnum) {
    char path[PATH_MAX], name[PATH_MAX], rest[PATH_MAX];

    (void)dwType, (void)dwUsage;
    if (dwScope != RESOURCE_GLOBALNET)
        return WN_NOT_SUPPORTED;
    if (lpNetResource != NULL && lpNetResource->lpRemoteName != NULL) {
        if (Find(lpNetResource->lpRemoteName, path, name, rest) != WN_SUCCESS)
            return WN_BAD_NETNAME;
        if (*name != '\0')
            return WN_NOT_CONTAINER;
    }
    *lphEnum = Root(path) ? opendir(path) : NULL;
    return *lphEnum != NULL ? WN_SUCCESS : WN_NO_NETWORK;
}

DWORD APIENTRY NPEnumResource(HANDLE hEnum, LPDWORD lpcCount, LPVOID lpBuffer, LPDWORD lpBufferSize) {
    NETRESOURCEW *structure = (NETRESOURCEW *)lpBuffer;
    BYTE *end = (BYTE *)lpBuffer + *lpBufferSize;
    char remote[PATH_MAX];
    DIR *open = (DIR *)hEnum;
    DWORD count = 0;
    long before = telldir(open);

    for (; count < *lpcCount && Next(open, remote); count++, before = telldir(open))
        if (!Put(structure + count, &end, remote, RESOURCEDISPLAYTYPE_SHARE, RESOURCEUSAGE_CONNECTABLE)) {
            seekdir(open, before);
            if (count > 0)
                break;
            *lpBufferSize = sizeof(NETRESOURCEW) + sizeof(WCHAR) * PATH_MAX;
            return WN_MORE_DATA;
        }
    *lpcCount = count;
    return count > 0 ? WN_SUCCESS : WN_NO_MORE_ENTRIES;
}

DWORD APIENTRY NPCloseEnum(HANDLE hEnum) {
    return closedir((DIR *)hEnum) == 0 ? WN_SUCCESS : WN_BAD_HANDLE;
}

DWORD APIENTRY NPGetResourceInformation(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer, LPDWORD lpBufferSize,
                                        LPWSTR *lplpSystem) {
    char path[PATH_MAX], name[PATH_MAX], rest[PATH_MAX], remote[PATH_MAX + 16];
    BYTE *end = (BYTE *)lpBuffer + *lpBufferSize;
    int length;

    if (Find(lpNetResource->lpRemoteName, path, name, rest) != WN_SUCCESS)
        return WN_BAD_NETNAME;
    if (lpNetResource->dwType != RESOURCETYPE_ANY && lpNetResource->dwType != RESOURCETYPE_DISK)
        return WN_BAD_DEV_TYPE;
    length = MultiByteToWideChar(CP_UTF8, 0, rest, -1, NULL, 0);
    end -= (size_t)length * sizeof(WCHAR);
    snprintf(remote, sizeof remote, "%s%s%s", SERVER, *name ? "\\" : "", name);
    if (end < (BYTE *)lpBuffer || !Put((NETRESOURCEW *)lpBuffer, &end, remote,
                                       *name ? RESOURCEDISPLAYTYPE_SHARE : RESOURCEDISPLAYTYPE_SERVER,
                                       *name ? RESOURCEUSAGE_CONNECTABLE : RESOURCEUSAGE_CONTAINER)) {
        *lpBufferSize = sizeof(NETRESOURCEW) + 2 * sizeof(WCHAR) * PATH_MAX;
        return WN_MORE_DATA;
    }
    *lplpSystem = NULL;
    if (*rest != '\0') {
        *lplpSystem = (LPWSTR)((BYTE *)lpBuffer + *lpBufferSize - (size_t)length * sizeof(WCHAR));
        MultiByteToWideChar(CP_UTF8, 0, rest, -1, *lplpSystem, length);
    }
    return WN_SUCCESS;
}

/* What is above is told by the name alone. */
DWORD APIENTRY NPGetResourceParent(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer, LPDWORD lpBufferSize) {
    char remote[PATH_MAX], *last;
    BYTE *end = (BYTE *)lpBuffer + *lpBufferSize;
    NETRESOURCEW *parent = (NETRESOURCEW *)lpBuffer;

    if (!ToText(lpNetResource->lpRemoteName, remote) || _strnicmp(remote, SERVER, strlen(SERVER)) != 0)
        return WN_BAD_NETNAME;
    last = strrchr(remote, '\\');
    if (last > remote + 1)
        *last = '\0';
    if (!Put(parent, &end, remote, RESOURCEDISPLAYTYPE_SERVER, RESOURCEUSAGE_CONTAINER)) {
        *lpBufferSize = sizeof(NETRESOURCEW) + sizeof(WCHAR) * PATH_MAX;
        return WN_MORE_DATA;
    }
    if (last <= remote + 1)
        parent->lpRemoteName = NULL; /* the top */
    return WN_SUCCESS;
}

/* ---- what it can do --------------------------------------------------------------------------------------------- */

DWORD APIENTRY NPGetCaps(DWORD ndex) {
    switch (ndex) {
    case WNNC_SPEC_VERSION:
        return WNNC_SPEC_VERSION51;
    case WNNC_NET_TYPE:
        return 0x00990000; /* nobody's */
    case WNNC_DRIVER_VERSION:
        return 0x00010000;
    case WNNC_CONNECTION:
        return WNNC_CON_ADDCONNECTION3 | WNNC_CON_CANCELCONNECTION | WNNC_CON_GETCONNECTIONS;
    case WNNC_DIALOG:
        return WNNC_DLG_GETRESOURCEPARENT | WNNC_DLG_GETRESOURCEINFORMATION;
    case WNNC_ENUMERATION:
        return WNNC_ENUM_GLOBAL;
    case WNNC_START:
        return WNNC_WAIT_FOR_START;
    default:
        return 0;
    }
}
