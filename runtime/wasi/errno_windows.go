package wasi

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// nativeErrnos are the errors that Windows itself reports for files; those of
// POSIX exist there as inventions of package syscall.
var nativeErrnos = []struct {
	host  syscall.Errno
	guest errno
}{
	{windows.ERROR_ACCESS_DENIED, errnoAcces},
	{windows.ERROR_ALREADY_EXISTS, errnoExist},
	{windows.ERROR_BAD_PATHNAME, errnoNoent},
	{windows.ERROR_BROKEN_PIPE, errnoPipe},
	{windows.ERROR_BUSY, errnoBusy},
	{windows.ERROR_CANT_RESOLVE_FILENAME, errnoLoop},
	{windows.ERROR_DIRECTORY, errnoNotdir},
	{windows.ERROR_DIR_NOT_EMPTY, errnoNotempty},
	{windows.ERROR_DISK_FULL, errnoNospc},
	{windows.ERROR_FILENAME_EXCED_RANGE, errnoNametoolong},
	{windows.ERROR_FILE_EXISTS, errnoExist},
	{windows.ERROR_FILE_NOT_FOUND, errnoNoent},
	{windows.ERROR_HANDLE_DISK_FULL, errnoNospc},
	{windows.ERROR_INVALID_HANDLE, errnoBadf},
	{windows.ERROR_INVALID_NAME, errnoNoent},
	{windows.ERROR_INVALID_PARAMETER, errnoInval},
	{windows.ERROR_NEGATIVE_SEEK, errnoInval},
	{windows.ERROR_NOT_ENOUGH_MEMORY, errnoNomem},
	{windows.ERROR_NOT_SAME_DEVICE, errnoXdev},
	{windows.ERROR_NOT_SUPPORTED, errnoNotsup},
	{windows.ERROR_NO_DATA, errnoPipe},
	{windows.ERROR_OUTOFMEMORY, errnoNomem},
	{windows.ERROR_PATH_NOT_FOUND, errnoNoent},
	{windows.ERROR_PRIVILEGE_NOT_HELD, errnoPerm},
	{windows.ERROR_SHARING_VIOLATION, errnoBusy},
	{windows.ERROR_STOPPED_ON_SYMLINK, errnoLoop},
	{windows.ERROR_TOO_MANY_OPEN_FILES, errnoNfile},
	{windows.ERROR_WRITE_PROTECT, errnoRofs},
}
