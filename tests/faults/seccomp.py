# Executes a command under a seccomp filter, seccomp(2). The first argument is a list of NUMBER:ERRNO
# pairs: the filter refuses each of these system calls with its errno and allows all others.
import ctypes
import os
import struct
import sys

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
ERRNO, ALLOW = 0x00050000, 0x7FFF0000
NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2

# The number of the call is the first field of struct seccomp_data.
program = [struct.pack("HBBI", LOAD, 0, 0, 0)]
for pair in filter(None, sys.argv[1].split(",")):
    number, errno = map(int, pair.split(":"))
    program.append(struct.pack("HBBI", EQUAL, 0, 1, number))
    program.append(struct.pack("HBBI", RETURN, 0, 0, ERRNO | errno))
program.append(struct.pack("HBBI", RETURN, 0, 0, ALLOW))
code = ctypes.create_string_buffer(b"".join(program))
filters = ctypes.create_string_buffer(struct.pack("HL", len(program), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0
if libc.prctl(SET_SECCOMP, FILTER, filters, 0, 0) != 0:
    sys.exit(f"no seccomp filter can be set: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[2], sys.argv[2:])
