/* Every error that it takes more than a wrong argument to see: files that were exchanged or spoilt,
 * other processes, and a system that says no. Each is provoked in a directory of its own and must
 * be reported with its number and a message. edges.c has the others; run.py looks that none of the
 * header's is forgotten.
 *
 * What the system says is said here: the library finds these functions before the C library's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

/* ---- a system that says no --------------------------------------------------------------- */

/* 0 where it says yes. */
static struct {
    int write_fails, read_fails, sync_fails, allocate_fails; /* errno */
    int only_reading; /* of the database */
    int locked;       /* by another process; each look at it takes a minute */
    long file_system;
    int live_fails; /* errno of opening the live file; each try takes a minute */
} system_says;

static time_t clock_is_ahead;

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    errno = system_says.write_fails;
    return errno ? -1 : syscall(SYS_pwrite64, file, bytes, count, offset);
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) {
    errno = system_says.read_fails;
    return errno ? -1 : syscall(SYS_pread64, file, bytes, count, offset);
}

int fsync(int file) {
    errno = system_says.sync_fails;
    return errno ? -1 : (int)syscall(SYS_fsync, file);
}

int posix_fallocate(int file, off_t offset, off_t count) {
    int failure = system_says.allocate_fails;
    return failure ? failure : syscall(SYS_fallocate, file, 0, offset, count) ? errno : 0;
}

int fstatfs(int file, struct statfs *status) {
    int result = (int)syscall(SYS_fstatfs, file, status);
    if (system_says.file_system != 0) {
        status->f_type = system_says.file_system;
    }
    return result;
}

int flock(int file, int operation) {
    if (system_says.locked && operation != LOCK_UN) {
        clock_is_ahead += 60;
        errno = EWOULDBLOCK;
        return -1;
    }
    return (int)syscall(SYS_flock, file, operation);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC) {
        now->tv_sec += clock_is_ahead;
    }
    return result;
}

int open64(const char *path, int flags, ...) {
    const char *name = strrchr(path, '/');
    if (system_says.only_reading && name != NULL && strcmp(name, "/quotas.db") == 0 &&
        (flags & O_ACCMODE) == O_RDWR) {
        errno = EACCES;
        return -1;
    }
    if (system_says.live_fails && name != NULL && strcmp(name, "/quotas.db-live") == 0) {
        clock_is_ahead += 60;
        errno = system_says.live_fails;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0644);
}

/* ---- what the cases share ---------------------------------------------------------------- */

#define DATABASE TEXT("quotas.db")

static cotas_engine *engine;
static cotas_tenant *tenant;

/* Without a thread of the engine's, so that no other thread meets what the system says. */
static cotas_options *options_at(int64_t now_ms, int32_t maintenance) {
    cotas_options *options = NULL;
    OK(cotas_options_new(&options, &error));
    OK(cotas_options_set_time(options, now_ms, &error));
    OK(cotas_options_set_maintenance(options, maintenance, &error));
    return options;
}

static int32_t open_with(cotas_options *options) {
    int32_t code = cotas_engine_open(DATABASE, options, &engine, &error);
    OK(cotas_options_close(options));
    return code;
}

static int32_t open_it(void) {
    return open_with(options_at(MAY_19, COTAS_MAINTENANCE_EXTERNAL));
}

static void close_it(void) {
    OK(cotas_tenant_close(tenant));
    OK(cotas_engine_close(engine));
    tenant = NULL;
    engine = NULL;
}

static void make(void) {
    OK(open_it());
    OK(cotas_load_catalog(engine, TEXT(CATALOG), TEXT("test.toml"), NULL, &error));
    OK(ask(engine, "create_tenant", "{'form': %s}", TENANT));
    tenant = open_tenant(engine);
}

static void make_and_close(void) {
    make();
    close_it();
}

static int32_t grant(void) {
    return ask(engine, "grant", "{'tenant': 'padaria', 'resource': 'sms', 'units': 5}");
}

static int32_t consume(void) {
    cotas_decision decision = empty_decision();
    return cotas_consume(tenant, TEXT("sms"), 1, NONE, &decision, &error);
}

/* Writes into a file that is there, past everybody's back. */
static void spoil(const char *path, off_t offset, const void *bytes, size_t count) {
    int file = open(path, O_WRONLY);
    CHECK(file >= 0 && lseek(file, offset, SEEK_SET) == offset);
    CHECK(write(file, bytes, count) == (ssize_t)count && close(file) == 0);
}

static void spoil_word(const char *path, off_t offset, uint64_t word) {
    spoil(path, offset, &word, sizeof word);
}

/* A backup in place of the database. */
static void restore(void) {
    (void)unlink("quotas.db-wal");
    (void)unlink("quotas.db-shm");
    CHECK(rename("backup.db", "quotas.db") == 0);
}

/* Another process that does something and stays until it is killed. */
static pid_t other_process(void (*act)(void)) {
    int ready[2];
    char byte = 0;
    pid_t made;
    CHECK(pipe(ready) == 0);
    made = fork();
    CHECK(made >= 0);
    if (made == 0) {
        act();
        CHECK(write(ready[1], "x", 1) == 1);
        for (;;) {
            pause();
        }
    }
    CHECK(close(ready[1]) == 0 && read(ready[0], &byte, 1) == 1 && close(ready[0]) == 0);
    return made;
}

static void end(pid_t process) {
    CHECK(kill(process, SIGKILL) == 0 && waitpid(process, NULL, 0) == process);
}

static void attach(void) {
    OK(open_it());
}

/* Opening, while another process has the database open. */
static int32_t open_beside(void (*spoil_it)(void)) {
    pid_t other;
    int32_t code;
    make_and_close();
    other = other_process(attach);
    spoil_it();
    code = open_it();
    end(other);
    return code;
}

/* ---- opening ------------------------------------------------------------------------------ */

static int32_t another_programs_database(void) {
    int file = open("quotas.db", O_CREAT | O_WRONLY, 0644);
    CHECK(file >= 0 && write(file, CATALOG, sizeof CATALOG) == sizeof CATALOG && close(file) == 0);
    return open_it();
}

static int32_t newer_schema(void) {
    make();
    OK(ask(engine, "backup", "{'target': 'backup.db'}"));
    close_it();
    restore();
    spoil("quotas.db", 60, "\0\0\0\143", 4); /* where SQLite has PRAGMA user_version */
    return open_it();
}

/* As after a crash: the log of the former file remains. */
static int32_t restored_under_a_log(void) {
    make();
    OK(ask(engine, "backup", "{'target': 'backup.db'}"));
    (void)consume();
    OK(ask(engine, "checkpoint", "{}"));
    CHECK(rename("quotas.db-wal", "log") == 0);
    close_it();
    CHECK(rename("log", "quotas.db-wal") == 0 && rename("backup.db", "quotas.db") == 0);
    return open_it();
}

static int32_t restored_while_attached(void) {
    make();
    OK(ask(engine, "backup", "{'target': 'backup.db'}"));
    return cotas_restore(DATABASE, NULL, TEXT("backup.db"), &error);
}

static int32_t live_file_of_another(void) {
    make_and_close();
    CHECK(rename("quotas.db-live", "foreign") == 0);
    CHECK(unlink("quotas.db") == 0 && unlink("quotas.db-wal") == 0 && unlink("quotas.db-shm") == 0);
    make_and_close();
    CHECK(rename("foreign", "quotas.db-live") == 0);
    return open_it();
}

static int32_t live_file_of_another_layout(void) {
    make_and_close();
    spoil_word("quotas.db-live", 8, 99);
    return open_it();
}

static int32_t live_file_cut_short(void) {
    make_and_close();
    CHECK(truncate("quotas.db-live", 100) == 0);
    return open_it();
}

static void lose_the_live_file(void) {
    CHECK(unlink("quotas.db-live") == 0);
}

static int32_t live_file_missing(void) {
    return open_beside(lose_the_live_file);
}

static int32_t second_live_file(void) {
    cotas_options *options = options_at(MAY_19, COTAS_MAINTENANCE_EXTERNAL);
    make_and_close();
    CHECK(mkdir("elsewhere", 0755) == 0);
    OK(cotas_options_set_live_directory(options, TEXT("elsewhere"), &error));
    return open_with(options);
}

static int32_t restored_backup(void) {
    make();
    OK(ask(engine, "backup", "{'target': 'backup.db'}"));
    close_it();
    restore();
    return open_it();
}

static int32_t hard_link(void) {
    make_and_close();
    CHECK(link("quotas.db", "second.db") == 0);
    return open_it();
}

static int32_t another_file_under_the_live_file(void) {
    make_and_close();
    end(other_process(attach)); /* Killed: its live file may hold more than the database. */
    CHECK(system("cp quotas.db copy.db && mv copy.db quotas.db") == 0);
    return open_it();
}

static int32_t file_system_without_space(void) {
    system_says.file_system = 0x9123683E;
    return open_it();
}

/* An owner in the table, of another PID namespace, without a lock to ask for. */
static int32_t owner_of_another_namespace(void) {
    make_and_close();
    spoil_word("quotas.db-live", 4096, 0x7fffffff00000000);
    spoil_word("quotas.db-live", 4096 + 8, 1);
    spoil_word("quotas.db-live", 4096 + 16, 1);
    return open_it();
}

static int32_t network_file_system(void) {
    system_says.file_system = 0x6969;
    return open_it();
}

static int32_t another_process_never_ends_opening(void) {
    system_says.locked = 1;
    return open_it();
}

static int32_t open_with_other_options(void) {
    cotas_engine *second = NULL;
    cotas_options *options = options_at(MAY_19, COTAS_MAINTENANCE_INLINE);
    int32_t code;
    make();
    code = cotas_engine_open(DATABASE, options, &second, &error);
    OK(cotas_options_close(options));
    return code;
}

/* ---- remembering --------------------------------------------------------------------------- */

static int32_t the_disk_cannot_be_read(void) {
    make();
    system_says.read_fails = EIO;
    return ask(engine, "backup", "{'target': 'backup.db'}");
}

static int32_t the_disk_is_full(void) {
    int32_t code;
    make();
    system_says.write_fails = ENOSPC;
    code = grant();
    system_says.write_fails = 0;
    CHECK(code != COTAS_OK && grant() == COTAS_OK); /* It is reported by the first, and over then. */
    system_says.write_fails = ENOSPC;
    return grant();
}

/* Another program's lock of SQLite's log for writing: a lock of the open file is not this
 * process's, as those that SQLite takes are. */
static int32_t another_program_writes(void) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 120, .l_len = 1};
    int32_t code;
    int file;
    make();
    file = open("quotas.db-shm", O_RDWR);
    CHECK(file >= 0 && fcntl(file, F_OFD_SETLK, &lock) == 0);
    code = grant();
    lock.l_type = F_UNLCK;
    CHECK(fcntl(file, F_OFD_SETLK, &lock) == 0);
    close_it(); /* First: to close the file drops SQLite's locks as well. */
    CHECK(close(file) == 0);
    return code;
}

static void nothing(void) {}

static int32_t the_database_may_only_be_read(void) {
    make();
    system_says.only_reading = 1;
    end(other_process(nothing)); /* Before a fork the connection is closed. */
    return grant();
}

static int32_t restored_while_in_use(void) {
    pid_t other;
    int32_t code;
    make();
    OK(ask(engine, "backup", "{'target': 'backup.db'}"));
    close_it();
    other = other_process(attach);
    (void)unlink("quotas.db-wal");
    (void)unlink("quotas.db-shm");
    CHECK(system("cp backup.db quotas.db") == 0); /* Into the same file. */
    OK(open_it());
    code = grant();
    end(other);
    return code;
}

static int32_t a_commit_of_unknown_outcome(void) {
    make();
    system_says.sync_fails = EIO;
    return grant();
}

static int32_t after_such_a_commit(void) {
    CHECK(a_commit_of_unknown_outcome() == COTAS_E_STORE_POISONED);
    system_says.sync_fails = 0;
    return consume();
}

/* The catalog, in a database without a log: cut off after its first brace. */
static int32_t impossible_catalog(void) {
    static char bytes[1 << 20];
    const char *found;
    int file;
    ssize_t count;
    make();
    OK(ask(engine, "backup", "{'target': 'backup.db'}"));
    close_it();
    restore();
    CHECK(unlink("quotas.db-live") == 0);
    file = open("quotas.db", O_RDONLY);
    CHECK(file >= 0 && (count = read(file, bytes, sizeof bytes)) > 0 && close(file) == 0);
    found = memmem(bytes, (size_t)count, "\"currency\"", 10);
    CHECK(found != NULL);
    spoil("quotas.db", found - bytes, "#", 1);
    return open_it();
}

/* ---- deciding ------------------------------------------------------------------------------ */

static int32_t no_space_to_grow(void) {
    int32_t code = COTAS_OK;
    int number;
    make();
    system_says.allocate_fails = ENOSPC;
    for (number = 0; number < 2000 && code == COTAS_OK; number++) {
        code = ask(engine, "create_tenant", "{'form': {'name': 'tenant-%d'}}", number);
    }
    return code;
}

/* A caller that commits by itself returns when its commit has, however slow the disk is: what is
 * bounded is how long it waits for others. */
static int32_t no_time_for_the_disk(void) {
    cotas_options *options = options_at(MAY_19, COTAS_MAINTENANCE_THREAD);
    make_and_close();
    OK(cotas_options_set_durability(options, COTAS_DURABILITY_DISK, &error));
    OK(cotas_options_set_disk_timeout_ms(options, 0, &error));
    OK(open_with(options));
    tenant = open_tenant(engine);
    return consume();
}

/* The lock of the checkpoint is another's, and the live file cannot be opened to ask. */
static int32_t owner_that_cannot_be_asked(void) {
    uint64_t floor = 0, number;
    int file;
    make();
    file = open("quotas.db-live", O_RDONLY);
    CHECK(file >= 0 && pread(file, &floor, sizeof floor, 29 * 8) == sizeof floor);
    CHECK(close(file) == 0);
    number = floor + 500;
    spoil_word("quotas.db-live", 28 * 8, floor + 1000);
    spoil_word("quotas.db-live", 1024 + 64, number >> 31 << 32 | (number & 0x7fffffff));
    system_says.live_fails = EACCES;
    return ask(engine, "checkpoint", "{}");
}

/* It would be an owner of its own. */
static int32_t child_that_cannot_register(void) {
    int ends[2];
    pid_t child;
    make();
    CHECK(pipe(ends) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        system_says.live_fails = EMFILE;
        (void)consume();
        CHECK(write(ends[1], &error, sizeof error) == sizeof error);
        _exit(0);
    }
    CHECK(read(ends[0], &error, sizeof error) == sizeof error);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0 && waitpid(child, NULL, 0) == child);
    return error.code;
}

static const struct {
    int32_t code;
    int32_t (*provoke)(void);
} CASES[] = {
    {COTAS_E_OPEN_FOREIGN_DATABASE, another_programs_database},
    {COTAS_E_OPEN_SCHEMA_TOO_NEW, newer_schema},
    {COTAS_E_OPEN_LIVE_FILE_FOREIGN, live_file_of_another},
    {COTAS_E_OPEN_LIVE_FILE_VERSION, live_file_of_another_layout},
    {COTAS_E_OPEN_LIVE_FILE_DAMAGED, live_file_cut_short},
    {COTAS_E_OPEN_LIVE_FILE_MISSING, live_file_missing},
    {COTAS_E_OPEN_SECOND_LIVE_FILE, second_live_file},
    {COTAS_E_OPEN_TOKEN_MISMATCH, restored_backup},
    {COTAS_E_OPEN_NETWORK_FILE_SYSTEM, network_file_system},
    {COTAS_E_OPEN_BUSY, another_process_never_ends_opening},
    {COTAS_E_OPEN_ALREADY_OPEN, open_with_other_options},
    {COTAS_E_OPEN_SEVERAL_PATHS, hard_link},
    {COTAS_E_OPEN_DATABASE_MOVED, another_file_under_the_live_file},
    {COTAS_E_OPEN_FILE_SYSTEM, file_system_without_space},
    {COTAS_E_OPEN_OWNERS_UNKNOWN, owner_of_another_namespace},
    {COTAS_E_OPEN_DATABASE_REPLACED, restored_under_a_log},
    {COTAS_E_OPEN_IN_USE, restored_while_attached},
    {COTAS_E_STORE_SQLITE, the_disk_cannot_be_read},
    {COTAS_E_STORE_FULL, the_disk_is_full},
    {COTAS_E_STORE_BUSY, another_program_writes},
    {COTAS_E_STORE_READ_ONLY, the_database_may_only_be_read},
    {COTAS_E_STORE_TOKEN_MISMATCH, restored_while_in_use},
    {COTAS_E_STORE_POISONED, a_commit_of_unknown_outcome},
    {COTAS_E_STORE_CORRUPT, impossible_catalog},
    {COTAS_E_NO_CAPACITY, no_space_to_grow},
    {COTAS_E_DURABILITY_UNKNOWN, no_time_for_the_disk},
    {COTAS_E_POISONED, after_such_a_commit},
    {COTAS_E_OWNER_NOT_ASKED, owner_that_cannot_be_asked},
    {COTAS_E_NOT_REGISTERED, child_that_cannot_register},
};

int main(void) {
    size_t index;
    for (index = 0; index < sizeof CASES / sizeof CASES[0]; index++) {
        char directory[16];
        int32_t code;
        sprintf(directory, "%d", (int)CASES[index].code);
        CHECK(mkdir(directory, 0755) == 0 && chdir(directory) == 0);
        code = CASES[index].provoke();
        memset(&system_says, 0, sizeof system_says);
        if (code != CASES[index].code || error.code != code || error.message[0] == '\0') {
            fprintf(stderr, "%s was %d, %d: %s\n", directory, (int)code, (int)error.code,
                    error.message);
            abort();
        }
        close_it();
        CHECK(chdir("..") == 0);
    }
    return 0;
}
