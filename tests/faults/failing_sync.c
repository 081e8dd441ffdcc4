/* Preloaded (LD_PRELOAD): fsync and fdatasync fail with EIO, as on a disk that cannot write.
 *
 * All of them while the file named by FAILING_SYNC_FLAG exists; or, when syncs_until_failure is set to n >= 0,
 * the one after the next n. A sync that fails is not carried out.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int syncs_until_failure = -1;

static int sync_or_fail(const char *name, int fd)
{
    const char *flag = getenv("FAILING_SYNC_FLAG");
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

    if ((syncs_until_failure >= 0 && syncs_until_failure-- == 0) || (flag && access(flag, F_OK) == 0)) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

int fsync(int fd) { return sync_or_fail("fsync", fd); }
int fdatasync(int fd) { return sync_or_fail("fdatasync", fd); }
