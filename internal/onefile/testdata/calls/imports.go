package main

// All numbers are the calls' own: pointers are addresses.

//go:wasmimport boxer create_mode
func createMode(uint32)

//go:wasmimport wasi_snapshot_preview1 fd_advise
func fdAdvise(uint32, uint64, uint64, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_allocate
func fdAllocate(uint32, uint64, uint64) uint32

//go:wasmimport wasi_snapshot_preview1 fd_close
func fdClose(uint32) uint32

//go:wasmimport boxer fd_dup
func fdDup(uint32, uint32, uint32) uint32

//go:wasmimport boxer fd_dup2
func fdDup2(uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_get
func fdFdstatGet(uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_set_flags
func fdFdstatSetFlags(uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_set_rights
func fdFdstatSetRights(uint32, uint64, uint64) uint32

//go:wasmimport wasi_snapshot_preview1 fd_filestat_set_size
func fdFilestatSetSize(uint32, uint64) uint32

//go:wasmimport wasi_snapshot_preview1 fd_pread
func fdPread(uint32, uint32, uint32, uint64, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_prestat_get
func fdPrestatGet(uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_pwrite
func fdPwrite(uint32, uint32, uint32, uint64, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_read
func fdRead(uint32, uint32, uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_readdir
func fdReaddir(uint32, uint32, uint32, uint64, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_renumber
func fdRenumber(uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_seek
func fdSeek(uint32, uint64, uint32, uint32) uint32

//go:wasmimport boxer fd_stat
func fdStat(uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_sync
func fdSync(uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_tell
func fdTell(uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_write
func fdWrite(uint32, uint32, uint32, uint32) uint32

//go:wasmimport boxer path_chmod
func pathChmod(uint32, uint32, uint32, uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_create_directory
func pathCreateDirectory(uint32, uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_filestat_set_times
func pathFilestatSetTimes(uint32, uint32, uint32, uint32, uint64, uint64, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_link
func pathLink(uint32, uint32, uint32, uint32, uint32, uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_open
func pathOpen(uint32, uint32, uint32, uint32, uint32, uint64, uint64, uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_readlink
func pathReadlink(uint32, uint32, uint32, uint32, uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_remove_directory
func pathRemoveDirectory(uint32, uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_rename
func pathRename(uint32, uint32, uint32, uint32, uint32, uint32) uint32

//go:wasmimport boxer path_stat
func pathStat(uint32, uint32, uint32, uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_symlink
func pathSymlink(uint32, uint32, uint32, uint32, uint32) uint32

//go:wasmimport wasi_snapshot_preview1 path_unlink_file
func pathUnlinkFile(uint32, uint32, uint32) uint32

//go:wasmimport boxer pipe
func pipe(uint32) uint32

//go:wasmimport boxer result
func result(uint32, uint32, uint32) uint32
