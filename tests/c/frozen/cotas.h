/*
 * Cotas: exact, durable quotas inside a chat platform's own process.
 *
 * May this tenant do this now, and if so, what does it use up? Open an engine, load a catalog,
 * create tenants, and ask: cotas_consume, cotas_perform, cotas_admit. docs/c-api.md is the guide.
 *
 * Returned numbers. Every function that can fail returns a cotas_code: COTAS_OK, or why not. A
 * denied request is no failure: it is COTAS_OK with a decision whose allowed is 0.
 *
 * Pointers. A pointer is NULL, where that is said to be allowed, or points to what its type and
 * the length beside it say, for as long as the call lasts. Nothing that is handed in is kept after
 * the call. Nothing but handles is allocated here and handed out.
 *
 * Texts are UTF-8 with a length in bytes and need no NUL. NULL with length 0 is the empty text.
 * Functions that give text take a buffer: at most capacity bytes are written, a NUL at the end
 * included; *needed (NULL: no interest) becomes how many bytes that takes. Where capacity is less,
 * they return COTAS_E_BUFFER, and the buffer is empty: call again with *needed bytes, or more,
 * since what is told may have grown meanwhile.
 *
 * Structs that are filled begin with struct_size, which the caller sets to the sizeof of its own
 * header. They are filled on every path: with 0, apart from their size, where nothing is to be
 * told. Later versions append fields; older programs go on working.
 *
 * Handles (cotas_engine and the like) are numbers, dressed as pointers: not to be followed. One
 * that is closed, or of another type, is found out: COTAS_E_HANDLE. After COTAS_PANIC (a bug in
 * Cotas, which was stopped at the boundary) the handle can only be closed.
 *
 * Threads. Every function may be called by any thread at any time, with the same handles too.
 * Closing a handle that others are using waits for nobody: the last of them lets it go.
 *
 * Blocking. Decisions are made in shared memory, without a system call; each function says whether
 * it may wait for the disk. An event loop calls those from a thread of its own.
 *
 * Fork. Handles stay valid in a child. Parent and child each close them for themselves.
 *
 * Time is in milliseconds since 1970 in UTC, always called ..._ms; documents have RFC 3339 text.
 *
 * The header of the first version, 0.1.0: it stays as it is.
 */
#ifndef COTAS_H
#define COTAS_H

#include <stddef.h>
#include <stdint.h>

#define COTAS_VERSION "0.1.0"
#define COTAS_VERSION_MAJOR 0
#define COTAS_VERSION_MINOR 1
#define COTAS_VERSION_PATCH 0
#define COTAS_ABI_VERSION 1

/* What every message of a demonstration account must carry (UTF-8). */
#define COTAS_DEMO_NOTICE "Esta \303\251 uma mensagem de teste"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a function returns: COTAS_OK, or why it did not do what was asked. A denied request is no
 * error: it is COTAS_OK with a decision that says so. Numbers are never changed or given again;
 * new ones are added. From 100 on they are those that every language shares.
 */
typedef enum cotas_code {
    /**
     * It was done.
     */
    COTAS_OK = 0,
    /**
     * A pointer is NULL that must not be.
     */
    COTAS_E_NULL = 1,
    /**
     * A text is not UTF-8.
     */
    COTAS_E_UTF8 = 2,
    /**
     * The struct_size of a struct is smaller than its first version, or absurdly large. Nothing
     * was done.
     */
    COTAS_E_STRUCT_SIZE = 3,
    /**
     * The handle is closed, or never was one of this type.
     */
    COTAS_E_HANDLE = 4,
    /**
     * The text needs a larger buffer: *needed says how large.
     */
    COTAS_E_BUFFER = 5,
    /**
     * So many handles are open that there is no room for another one.
     */
    COTAS_E_HANDLES = 6,
    /**
     * A bug in Cotas. The handle can only be closed from here on.
     */
    COTAS_PANIC = 7,
    /**
     * The file system said no to opening.
     */
    COTAS_E_OPEN_IO = 100,
    /**
     * The file is no database of Cotas.
     */
    COTAS_E_OPEN_FOREIGN_DATABASE = 101,
    /**
     * The database was written by a newer version.
     */
    COTAS_E_OPEN_SCHEMA_TOO_NEW = 102,
    /**
     * The live file belongs to another database.
     */
    COTAS_E_OPEN_LIVE_FILE_FOREIGN = 103,
    /**
     * The live file was made by an incompatible version.
     */
    COTAS_E_OPEN_LIVE_FILE_VERSION = 104,
    /**
     * The live file is damaged.
     */
    COTAS_E_OPEN_LIVE_FILE_DAMAGED = 105,
    /**
     * The live file is missing while others use it.
     */
    COTAS_E_OPEN_LIVE_FILE_MISSING = 106,
    /**
     * The database has a live file in another place.
     */
    COTAS_E_OPEN_SECOND_LIVE_FILE = 107,
    /**
     * Database and live file do not belong together: a restored backup, a copy.
     */
    COTAS_E_OPEN_TOKEN_MISMATCH = 108,
    /**
     * The database is in use from another PID namespace.
     */
    COTAS_E_OPEN_PID_NAMESPACE = 109,
    /**
     * The live file would lie on a network file system.
     */
    COTAS_E_OPEN_NETWORK_FILE_SYSTEM = 110,
    /**
     * Another process has been opening the database for too long.
     */
    COTAS_E_OPEN_BUSY = 111,
    /**
     * This process has the database open with other options.
     */
    COTAS_E_OPEN_ALREADY_OPEN = 112,
    /**
     * SQLite failed.
     */
    COTAS_E_STORE_SQLITE = 200,
    /**
     * The disk is full.
     */
    COTAS_E_STORE_FULL = 201,
    /**
     * The database was locked for too long.
     */
    COTAS_E_STORE_BUSY = 202,
    /**
     * The database cannot be written.
     */
    COTAS_E_STORE_READ_ONLY = 203,
    /**
     * The database was replaced while it was open.
     */
    COTAS_E_STORE_TOKEN_MISMATCH = 204,
    /**
     * An earlier commit's outcome is unknown: the database must be opened anew.
     */
    COTAS_E_STORE_POISONED = 205,
    /**
     * The database is damaged.
     */
    COTAS_E_STORE_CORRUPT = 206,
    /**
     * The catalog is wrong; the message names place and rule.
     */
    COTAS_E_CATALOG = 300,
    /**
     * A CPF, CNPJ or CEP is not one.
     */
    COTAS_E_DOCUMENT = 330,
    /**
     * A gateway's webhook cannot be read.
     */
    COTAS_E_PAYLOAD = 331,
    /**
     * Something has no price.
     */
    COTAS_E_PRICE = 332,
    /**
     * There is no such tenant.
     */
    COTAS_E_UNKNOWN_TENANT = 400,
    /**
     * There is such a tenant already.
     */
    COTAS_E_TENANT_EXISTS = 401,
    /**
     * The catalog has no such resource.
     */
    COTAS_E_UNKNOWN_RESOURCE = 402,
    /**
     * The catalog has no such action.
     */
    COTAS_E_UNKNOWN_ACTION = 403,
    /**
     * The catalog has no such plan.
     */
    COTAS_E_UNKNOWN_PLAN = 404,
    /**
     * The verb does not fit the kind of resource.
     */
    COTAS_E_WRONG_KIND = 405,
    /**
     * An argument is not acceptable; the message says which, and why.
     */
    COTAS_E_INVALID_ARGUMENT = 406,
    /**
     * The idempotency key was used before, with other arguments.
     */
    COTAS_E_IDEMPOTENCY_CONFLICT = 407,
    /**
     * An account cannot go from the one status to the other.
     */
    COTAS_E_TRANSITION = 408,
    /**
     * The tenant has no subscription that this could be done to.
     */
    COTAS_E_NO_SUBSCRIPTION = 409,
    /**
     * The clock has jumped far ahead; it must be confirmed for the tenant.
     */
    COTAS_E_CLOCK_JUMP = 410,
    /**
     * A replay has come past this place already.
     */
    COTAS_E_ALREADY_DECIDED = 411,
    /**
     * There is no such reservation.
     */
    COTAS_E_UNKNOWN_RESERVATION = 412,
    /**
     * The reservation was resolved before.
     */
    COTAS_E_ALREADY_RESOLVED = 413,
    /**
     * There is no such receipt.
     */
    COTAS_E_UNKNOWN_RECEIPT = 414,
    /**
     * What the receipt charged was given back before.
     */
    COTAS_E_ALREADY_REFUNDED = 415,
    /**
     * The receipt, reservation or fencing number is from before the live file was rebuilt.
     */
    COTAS_E_STALE = 416,
    /**
     * The holder does not have the lease under this number.
     */
    COTAS_E_LEASE_NOT_HELD = 417,
    /**
     * The holder has no seat.
     */
    COTAS_E_SEAT_NOT_HELD = 418,
    /**
     * The token opens another seat already.
     */
    COTAS_E_TOKEN_TAKEN = 419,
    /**
     * The catalog has changed since the action was quoted.
     */
    COTAS_E_TARIFF_CHANGED = 420,
    /**
     * There is no such feature.
     */
    COTAS_E_UNKNOWN_FEATURE = 421,
    /**
     * The catalog has no such package.
     */
    COTAS_E_UNKNOWN_PACKAGE = 422,
    /**
     * There is no such invoice.
     */
    COTAS_E_UNKNOWN_INVOICE = 423,
    /**
     * The tenant cannot buy this.
     */
    COTAS_E_NOT_FOR_SALE = 424,
    /**
     * Another tenant has this CPF or CNPJ.
     */
    COTAS_E_DOCUMENT_IN_USE = 425,
    /**
     * The report is for managers and above.
     */
    COTAS_E_ROLE_TOO_LOW = 426,
    /**
     * Seats of the resource are taken with a token each, and none was given.
     */
    COTAS_E_TOKEN_MISSING = 427,
    /**
     * The tenant was held by another process for too long; or the engine does not wait.
     */
    COTAS_E_BUSY = 500,
    /**
     * The live file cannot grow.
     */
    COTAS_E_NO_ROOM = 501,
    /**
     * It was applied; whether it reached the disk in time is not known.
     */
    COTAS_E_DURABILITY_UNKNOWN = 502,
    /**
     * The live file was found damaged, or a commit's outcome is unknown.
     */
    COTAS_E_POISONED = 503
} cotas_code;

/**
 * What an acknowledged decision survives.
 */
typedef enum cotas_durability {
    /**
     * The death of any and all processes; a power cut costs at most one checkpoint interval, in
     * the customer's favour. The default.
     */
    COTAS_DURABILITY_PROCESS = 1,
    /**
     * A power cut as well: the call returns when the decision is on disk.
     */
    COTAS_DURABILITY_DISK = 2
} cotas_durability;

/**
 * Who makes checkpoints and settles tenants promptly.
 */
typedef enum cotas_maintenance {
    /**
     * A background thread of the process, all of whose signals are blocked. The default.
     */
    COTAS_MAINTENANCE_THREAD = 1,
    /**
     * No thread: the call that finds a checkpoint overdue makes it.
     */
    COTAS_MAINTENANCE_INLINE = 2,
    /**
     * The host, by cotas_maintain, or another process.
     */
    COTAS_MAINTENANCE_EXTERNAL = 3
} cotas_maintenance;

/**
 * Which way a message goes.
 */
typedef enum cotas_direction {
    /**
     * From the contact: it opens a session or moves the end of the open one.
     */
    COTAS_DIRECTION_INBOUND = 1,
    /**
     * To the contact: it opens a session where there is none, and moves no end.
     */
    COTAS_DIRECTION_OUTBOUND = 2
} cotas_direction;

/**
 * Why a decision was denied: the rule that failed. The reasons of a decision are a set with bit
 * (1 << reason) for each.
 */
typedef enum cotas_reason {
    /**
     * It was allowed.
     */
    COTAS_REASON_NONE = 0,
    /**
     * The tenant's status does not permit it.
     */
    COTAS_REASON_STATUS_FORBIDS = 1,
    /**
     * The demonstration is over.
     */
    COTAS_REASON_DEMO_EXPIRED = 2,
    /**
     * The tenant has no subscription.
     */
    COTAS_REASON_NO_SUBSCRIPTION = 3,
    /**
     * The subscription waits to be paid.
     */
    COTAS_REASON_SUBSCRIPTION_PENDING = 4,
    /**
     * The subscription was not renewed and its grace is over.
     */
    COTAS_REASON_PLAN_LAPSED = 5,
    /**
     * The plan does not have the feature.
     */
    COTAS_REASON_FEATURE_MISSING = 6,
    /**
     * Only an open session permits it, and there is none.
     */
    COTAS_REASON_SESSION_REQUIRED = 7,
    /**
     * The plan does not have the resource.
     */
    COTAS_REASON_NOT_IN_PLAN = 8,
    /**
     * Too little is left.
     */
    COTAS_REASON_QUOTA_EXHAUSTED = 9,
    /**
     * Too many in too short a time.
     */
    COTAS_REASON_RATE_EXCEEDED = 10
} cotas_reason;

/**
 * How a resource is limited for a tenant.
 */
typedef enum cotas_mode {
    /**
     * It is not part of the plan; or the decision is about no resource.
     */
    COTAS_MODE_DISABLED = 0,
    /**
     * By the limit.
     */
    COTAS_MODE_FINITE = 1,
    /**
     * Not at all.
     */
    COTAS_MODE_UNLIMITED = 2
} cotas_mode;

/**
 * Where charged units came from.
 */
typedef enum cotas_source {
    /**
     * From no grant: there is no limit, or they go beyond it, or the resource is counted without
     * grants.
     */
    COTAS_SOURCE_NONE = 0,
    /**
     * From the plan's units of the period.
     */
    COTAS_SOURCE_PLAN = 1,
    /**
     * From what was bought on top.
     */
    COTAS_SOURCE_EXTRA = 2,
    /**
     * From a package.
     */
    COTAS_SOURCE_PACKAGE = 3,
    /**
     * From what was given by hand.
     */
    COTAS_SOURCE_MANUAL = 4
} cotas_source;

/**
 * What else there is to say of a decision, as bits of its flags.
 */
typedef enum cotas_flag {
    /**
     * Some of it goes beyond a soft limit.
     */
    COTAS_FLAG_OVERAGE = 1,
    /**
     * The message must carry the notice of a demonstration account, COTAS_DEMO_NOTICE.
     */
    COTAS_FLAG_DEMO_NOTICE = 2,
    /**
     * The tenant is in arrears.
     */
    COTAS_FLAG_PAST_DUE = 4,
    /**
     * This is the stored decision of an earlier call with the same idempotency key.
     */
    COTAS_FLAG_REPLAYED = 8,
    /**
     * The decision opened the session; otherwise it was open, or kept, already.
     */
    COTAS_FLAG_SESSION_OPENED = 16,
    /**
     * The decision took the lease; otherwise its holder had it already.
     */
    COTAS_FLAG_LEASE_ACQUIRED = 32,
    /**
     * More was charged than charges lists: cotas_charges_of has all of it.
     */
    COTAS_FLAG_MORE_CHARGES = 64
} cotas_flag;

/**
 * What came of a payment event.
 */
typedef enum cotas_outcome {
    /**
     * It was applied to the invoice.
     */
    COTAS_OUTCOME_APPLIED = 1,
    /**
     * It was seen before.
     */
    COTAS_OUTCOME_DUPLICATE = 2,
    /**
     * Acknowledge it: it tells of something that quotas do not care about.
     */
    COTAS_OUTCOME_UNKNOWN_EVENT = 3,
    /**
     * Acknowledge it: no invoice is paid by that payment.
     */
    COTAS_OUTCOME_UNKNOWN_PAYMENT = 4,
    /**
     * Acknowledge it: the invoice stands that way already, or cannot any more.
     */
    COTAS_OUTCOME_NOTHING_TO_DO = 5,
    /**
     * The token is wrong: nothing was read, nothing was changed.
     */
    COTAS_OUTCOME_REFUSED = 6,
    /**
     * The gateway charges no more: the subscription ends with its period.
     */
    COTAS_OUTCOME_SUBSCRIPTION_ENDED = 7
} cotas_outcome;

/**
 * How an invoice stands.
 */
typedef enum cotas_invoice_status {
    /**
     * The outcome is about no invoice.
     */
    COTAS_INVOICE_NONE = 0,
    /**
     * It waits to be paid.
     */
    COTAS_INVOICE_PENDING = 1,
    /**
     * It is paid.
     */
    COTAS_INVOICE_PAID = 2,
    /**
     * Its due date has passed.
     */
    COTAS_INVOICE_OVERDUE = 3,
    /**
     * It will not be paid any more.
     */
    COTAS_INVOICE_CANCELLED = 4,
    /**
     * It was paid, and taken back.
     */
    COTAS_INVOICE_REFUNDED = 5
} cotas_invoice_status;

/**
 * The quota engine of one database. One database file has one engine per process: opening it again
 * gives another handle to the same.
 *
 * Threads: any, also at once. Fork: a child may go on using the handles that it inherited, and
 * closes them for itself alone. Made by cotas_engine_open; closed by cotas_engine_close. The
 * database is let go when its last handle is closed, those of its tenants included.
 */
typedef struct cotas_engine cotas_engine;

/**
 * Options for opening an engine.
 *
 * Threads: any, also at once. Made by cotas_options_new, closed by cotas_options_close; an engine
 * that was opened with it needs it no longer.
 */
typedef struct cotas_options cotas_options;

/**
 * A tenant, found once and used many times. It stays valid over changes of plan and of the
 * catalog.
 *
 * Threads: any, also at once. Fork: as cotas_engine. Made by cotas_tenant_open; closed by
 * cotas_tenant_close. It keeps its database open, also when the engine that it was opened from is
 * closed.
 */
typedef struct cotas_tenant cotas_tenant;

/**
 * What went wrong, in words. The caller's own; set struct_size to sizeof(cotas_error) before the
 * call. Every function takes a pointer to one as its last argument, or NULL. It is for the log:
 * programs go by the returned number. Messages hold no secret and no phone number.
 *
 * Threads: each call needs one of its own.
 */
typedef struct cotas_error {
    /**
     * sizeof(cotas_error), set by the caller.
     */
    uint32_t struct_size;
    /**
     * What the function returned.
     */
    int32_t code;
    /**
     * Why, in English, ended by NUL; cut, between two characters, where it is too long.
     */
    char message[256];
} cotas_error;

/**
 * Units of one resource that came from one source.
 */
typedef struct cotas_charge {
    /**
     * How many.
     */
    uint64_t units;
    /**
     * The resource's number.
     */
    uint32_t resource;
    /**
     * Where they came from: a cotas_source.
     */
    int32_t source;
} cotas_charge;

/**
 * The answer to a request, with every number that explains it. The caller's own; set struct_size
 * to sizeof(cotas_decision) before the call. All of it is 0 where a function returns anything but
 * COTAS_OK. A denied request is COTAS_OK with allowed 0.
 */
typedef struct cotas_decision {
    /**
     * sizeof(cotas_decision), set by the caller.
     */
    uint32_t struct_size;
    /**
     * 1: go ahead. 0: denied.
     */
    uint32_t allowed;
    /**
     * The first failing rule: a cotas_reason.
     */
    int32_t reason;
    /**
     * All failing rules: bit (1 << reason) for each.
     */
    uint32_t reasons;
    /**
     * Rules that would have denied it, had their limits not been told only to watch; bits as in
     * reasons.
     */
    uint32_t shadowed;
    /**
     * What else there is to say: bits, each a cotas_flag.
     */
    uint32_t flags;
    /**
     * The number of the resource that the figures are about: the first that fell short, else the
     * last that was charged. UINT32_MAX: none.
     */
    uint32_t resource;
    /**
     * How it is limited: a cotas_mode.
     */
    int32_t mode;
    /**
     * Units asked of it.
     */
    uint64_t units;
    /**
     * Units used of it since the period began, or held, this decision's included.
     */
    uint64_t used;
    /**
     * Units left of it after this decision; meaningful where mode is COTAS_MODE_FINITE.
     */
    uint64_t available;
    /**
     * What is contracted; meaningful where mode is COTAS_MODE_FINITE.
     */
    uint64_t limit;
    /**
     * When a denied request may succeed, in milliseconds since 1970 in UTC. 0: that cannot be
     * foreseen.
     */
    int64_t retry_at_ms;
    /**
     * The first instant after the contact's session. 0: there is none.
     */
    int64_t session_expires_at_ms;
    /**
     * The first instant after the lease, unless it is renewed. 0: there is none.
     */
    int64_t lease_expires_at_ms;
    /**
     * The lease's fencing number, which rises with every lease of the tenant. 0: there is none.
     */
    uint64_t fencing;
    /**
     * What names the reservation that holds what was charged, ended by NUL. Empty: there is none.
     */
    char reservation[40];
    /**
     * What a refund is asked with, ended by NUL: given to decisions under an idempotency key.
     * Empty: there is none.
     */
    char receipt[40];
    /**
     * Entries of charges that are in use.
     */
    uint32_t charge_count;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * What was charged, by resource and source, in the order in which it was.
     */
    struct cotas_charge charges[6];
} cotas_decision;

/**
 * What a purchase comes to. The caller's own; set struct_size to sizeof(cotas_purchase) before the
 * call.
 */
typedef struct cotas_purchase {
    /**
     * sizeof(cotas_purchase), set by the caller.
     */
    uint32_t struct_size;
    /**
     * 1: it was bought under the same key before, and nothing was changed.
     */
    uint32_t replayed;
    /**
     * The number of the invoice that is due at once, in full: nothing is prorated.
     */
    int64_t invoice;
    /**
     * Its amount in cents.
     */
    int64_t amount_cents;
    /**
     * All that will be charged on the next due date, in cents.
     */
    int64_t next_total_cents;
    /**
     * When it is charged again, in full, as YYYY-MM-DD, ended by NUL. Empty: never.
     */
    char next_due[16];
} cotas_purchase;

/**
 * What came of a payment event. The caller's own; set struct_size to sizeof(cotas_payment) before
 * the call.
 */
typedef struct cotas_payment {
    /**
     * sizeof(cotas_payment), set by the caller.
     */
    uint32_t struct_size;
    /**
     * What came of it: a cotas_outcome.
     */
    int32_t outcome;
    /**
     * The number of the invoice that it was applied to; 0: none.
     */
    int64_t invoice;
    /**
     * The number of the subscription that ends; 0: none.
     */
    int64_t subscription;
    /**
     * How the invoice stands now: a cotas_invoice_status.
     */
    int32_t invoice_status;
    /**
     * 0.
     */
    uint32_t reserved;
} cotas_payment;

/**
 * The version of the library that is loaded, as text: COTAS_VERSION of the header that belongs to
 * it. It stays valid for ever.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
const char *cotas_version(void);

/**
 * The number of the library's ABI: COTAS_ABI_VERSION of the header. It is raised only when
 * programs that were compiled before would go wrong; it is in the name of the library's file.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
uint32_t cotas_abi_version(void);

/**
 * Makes options that say nothing yet: the defaults. Close them with cotas_options_close.
 *
 * Threads: any. Blocks: never. Fork: parent and child have their own.
 */
int32_t cotas_options_new(struct cotas_options **options, struct cotas_error *error);

/**
 * Closes options. NULL is no error, and does nothing.
 *
 * Threads: any. Blocks: never. Fork: closes this process's only.
 */
int32_t cotas_options_close(struct cotas_options *options);

/**
 * Sets what an acknowledged decision survives: a cotas_durability.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_options_set_durability(struct cotas_options *options,
                                     int32_t durability,
                                     struct cotas_error *error);

/**
 * Sets who makes checkpoints: a cotas_maintenance.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_options_set_maintenance(struct cotas_options *options,
                                      int32_t maintenance,
                                      struct cotas_error *error);

/**
 * Sets the time between checkpoints in milliseconds (default 100, at most a day): what a power
 * cut may cost.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_options_set_checkpoint_interval_ms(struct cotas_options *options,
                                                 uint64_t interval_ms,
                                                 struct cotas_error *error);

/**
 * Sets how many milliseconds a call with COTAS_DURABILITY_DISK waits for the disk (default 5,000,
 * at most a day) before it returns COTAS_E_DURABILITY_UNKNOWN.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_options_set_disk_patience_ms(struct cotas_options *options,
                                           uint64_t patience_ms,
                                           struct cotas_error *error);

/**
 * Sets where the live file lies, instead of beside the database. All processes must name the same
 * directory.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_options_set_live_directory(struct cotas_options *options,
                                         const char *directory,
                                         size_t directory_len,
                                         struct cotas_error *error);

/**
 * Permits (1) or forbids (0, the default) a live file on a network file system, which does not
 * share memory: only for those who know that one host alone mounts it.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_options_set_allow_network_file_system(struct cotas_options *options,
                                                    int32_t allow,
                                                    struct cotas_error *error);

/**
 * Gives the engine a clock of its own that shows now_ms (milliseconds since 1970 in UTC) until
 * cotas_engine_set_time moves it: for tests and replays. Without it the engine goes by the
 * machine's clock.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_options_set_time(struct cotas_options *options,
                               int64_t now_ms,
                               struct cotas_error *error);

/**
 * Opens the database at path, making it if there is none. options may be NULL: the defaults.
 * *engine is NULL unless it returns COTAS_OK.
 *
 * Threads: any. Blocks: reads and writes the disk. Fork: open before or after forking, as you
 * like.
 */
int32_t cotas_engine_open(const char *path,
                          size_t path_len,
                          const struct cotas_options *options,
                          struct cotas_engine **engine,
                          struct cotas_error *error);

/**
 * Opens a database in memory, which nobody else sees and which is gone with its last handle: for
 * tests of a host. options may be NULL.
 *
 * Threads: any. Blocks: never for long. Fork: a child does not share it with its parent.
 */
int32_t cotas_engine_open_in_memory(const struct cotas_options *options,
                                    struct cotas_engine **engine,
                                    struct cotas_error *error);

/**
 * Gives another handle to the same engine, whose calls have another durability: a
 * cotas_durability. Close both. Tenants that are opened from it have it too.
 *
 * Threads: any. Blocks: never. Fork: as cotas_engine.
 */
int32_t cotas_engine_with_durability(const struct cotas_engine *engine,
                                     int32_t durability,
                                     struct cotas_engine **other,
                                     struct cotas_error *error);

/**
 * Gives another handle to the same engine, whose decisions never wait: one that would have to, for
 * another thread's lock, for SQLite or for the disk, is not made and returns COTAS_E_BUSY. For
 * event loops, which ask again from a thread of their own. An engine whose options make it wait in
 * any case (COTAS_DURABILITY_DISK, COTAS_MAINTENANCE_INLINE) has none: COTAS_E_INVALID_ARGUMENT.
 * Close both.
 *
 * Threads: any. Blocks: never. Fork: as cotas_engine.
 */
int32_t cotas_engine_without_waiting(const struct cotas_engine *engine,
                                     struct cotas_engine **other,
                                     struct cotas_error *error);

/**
 * Gives another handle to the same engine, whose administrative verbs take effect at most once per
 * tenant and key: the same key with the same arguments changes nothing and gives the answer that
 * was kept; with others it is COTAS_E_IDEMPOTENCY_CONFLICT. Decisions have keys of their own.
 * Close both.
 *
 * Threads: any. Blocks: never. Fork: as cotas_engine.
 */
int32_t cotas_engine_once(const struct cotas_engine *engine,
                          const char *key,
                          size_t key_len,
                          struct cotas_engine **other,
                          struct cotas_error *error);

/**
 * Closes an engine. Tenants that were opened from it go on, and keep the database open until they
 * are closed too. NULL is no error, and does nothing.
 *
 * Threads: any; calls that are using it are finished first, by their own threads. Blocks: the last
 * handle writes what is not in SQLite yet. Fork: closes this process's only.
 */
int32_t cotas_engine_close(struct cotas_engine *engine);

/**
 * What the engine's clock shows, in milliseconds since 1970 in UTC.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_engine_now(const struct cotas_engine *engine,
                         int64_t *now_ms,
                         struct cotas_error *error);

/**
 * Sets the clock of an engine that has one of its own (cotas_options_set_time): for this handle,
 * those made from it, and its tenants. It may go back.
 *
 * Threads: any. Blocks: never. Fork: parent and child have a clock each.
 */
int32_t cotas_engine_set_time(const struct cotas_engine *engine,
                              int64_t now_ms,
                              struct cotas_error *error);

/**
 * Puts a catalog in force, for all processes, at once. name is what messages call it; one that
 * ends in .json says that the text is JSON, any other that it is TOML. *version, unless NULL,
 * becomes the number of the catalog.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_load_catalog(const struct cotas_engine *engine,
                           const char *text,
                           size_t text_len,
                           const char *name,
                           size_t name_len,
                           uint64_t *version,
                           struct cotas_error *error);

/**
 * The number of a resource that can be consumed, which spares its look-up by name in every call. A
 * number stays with its name for as long as the database lives.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_resource(const struct cotas_engine *engine,
                       const char *name,
                       size_t name_len,
                       uint32_t *resource,
                       struct cotas_error *error);

/**
 * The name of the resource with a number, as a decision has it, as text.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_resource_name(const struct cotas_engine *engine,
                            uint32_t resource,
                            char *buffer,
                            size_t capacity,
                            size_t *needed,
                            struct cotas_error *error);

/**
 * Creates a tenant, with its plan, extras, account holder, limits and features, as a JSON document
 * says them (docs/c-api.md): all or nothing. *created, unless NULL, becomes 1, or 0 if there is a
 * tenant of that name already, which is left as it is and is no error.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_ensure_tenant(const struct cotas_engine *engine,
                            const char *json,
                            size_t json_len,
                            int32_t *created,
                            struct cotas_error *error);

/**
 * As cotas_ensure_tenant, but a tenant that exists already is COTAS_E_TENANT_EXISTS.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_create_tenant(const struct cotas_engine *engine,
                            const char *json,
                            size_t json_len,
                            struct cotas_error *error);

/**
 * Finds a tenant by its name. *tenant is NULL unless it returns COTAS_OK.
 *
 * Threads: any. Blocks: only where a process died while it was changing this tenant. Fork: as
 * cotas_engine.
 */
int32_t cotas_tenant_open(const struct cotas_engine *engine,
                          const char *name,
                          size_t name_len,
                          struct cotas_tenant **tenant,
                          struct cotas_error *error);

/**
 * Closes a tenant's handle; the tenant stays. NULL is no error, and does nothing.
 *
 * Threads: any; calls that are using it are finished first, by their own threads. Blocks: the last
 * handle of a database writes what is not in SQLite yet. Fork: closes this process's only.
 */
int32_t cotas_tenant_close(struct cotas_tenant *tenant);

/**
 * May this tenant use units of a resource now? If so, they are used up. Counts as something other
 * than receiving: a suspended tenant is denied. Under a key (NULL: none) it takes effect once: the
 * same key with the same arguments gives the stored decision.
 *
 * Threads: any. Blocks: never, except to settle a boundary that has passed, or with
 * COTAS_DURABILITY_DISK. Without a key it makes no system call and allocates nothing. Fork: no
 * matter.
 */
int32_t cotas_consume(const struct cotas_tenant *tenant,
                      const char *resource,
                      size_t resource_len,
                      uint64_t units,
                      const char *key,
                      size_t key_len,
                      struct cotas_decision *decision,
                      struct cotas_error *error);

/**
 * As cotas_consume without a key, of the resource with the number that cotas_resource gave: the
 * fastest way to a decision.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_consume_id(const struct cotas_tenant *tenant,
                         uint32_t resource,
                         uint64_t units,
                         struct cotas_decision *decision,
                         struct cotas_error *error);

/**
 * What cotas_consume would answer. Changes nothing.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_check(const struct cotas_tenant *tenant,
                    const char *resource,
                    size_t resource_len,
                    uint64_t units,
                    struct cotas_decision *decision,
                    struct cotas_error *error);

/**
 * What cotas_consume_id would answer. Changes nothing.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_check_id(const struct cotas_tenant *tenant,
                       uint32_t resource,
                       uint64_t units,
                       struct cotas_decision *decision,
                       struct cotas_error *error);

/**
 * May this tenant's contact have a session of a resource? A message opens one where there is
 * none, and one from the contact moves the end of an open one; while it is open nothing more is
 * charged. direction is a cotas_direction. at_ms is when the message was sent, in milliseconds
 * since 1970 in UTC, 0 for now: it decides about the session and nothing else. Under a key (NULL:
 * none) it takes effect once.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_admit(const struct cotas_tenant *tenant,
                    const char *resource,
                    size_t resource_len,
                    int32_t direction,
                    const char *channel,
                    size_t channel_len,
                    const char *contact,
                    size_t contact_len,
                    int64_t at_ms,
                    const char *key,
                    size_t key_len,
                    struct cotas_decision *decision,
                    struct cotas_error *error);

/**
 * May this tenant do an action of the catalog now? If so, its session is opened or continued, its
 * lease is taken, its rate and its charges are used up: all or nothing. channel and contact say
 * what the message is about, quantity how many units it charges where the action charges by
 * quantity, at_ms when the message was sent (milliseconds since 1970 in UTC, 0 for now). What the
 * action does not look at is ignored. Under a key (NULL: none) it takes effect once. An action
 * that takes a lease, or one by categories, needs cotas_perform_with.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_perform(const struct cotas_tenant *tenant,
                      const char *action,
                      size_t action_len,
                      const char *channel,
                      size_t channel_len,
                      const char *contact,
                      size_t contact_len,
                      uint64_t quantity,
                      int64_t at_ms,
                      const char *key,
                      size_t key_len,
                      struct cotas_decision *decision,
                      struct cotas_error *error);

/**
 * As cotas_perform, with all that an action may look at, as a JSON document: { "channel",
 * "contact", "category" (of a template), "holder" (who takes the lease: a call's id), "quantity",
 * "at" (RFC 3339), "tariff" (that was quoted: another one in force is COTAS_E_TARIFF_CHANGED) },
 * each of which may be left out. Under a key (NULL: none) it takes effect once.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_perform_with(const struct cotas_tenant *tenant,
                           const char *action,
                           size_t action_len,
                           const char *details_json,
                           size_t details_json_len,
                           const char *key,
                           size_t key_len,
                           struct cotas_decision *decision,
                           struct cotas_error *error);

/**
 * What cotas_perform_with would answer. Changes nothing.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_check_action(const struct cotas_tenant *tenant,
                           const char *action,
                           size_t action_len,
                           const char *details_json,
                           size_t details_json_len,
                           struct cotas_decision *decision,
                           struct cotas_error *error);

/**
 * What an action would cost of each balance, and by which tariff, as a JSON document. Changes
 * nothing. details_json as in cotas_perform_with.
 *
 * Threads: any. Blocks: reads SQLite where a boundary has passed that nobody has settled yet.
 * Fork: no matter.
 */
int32_t cotas_quote(const struct cotas_tenant *tenant,
                    const char *action,
                    size_t action_len,
                    const char *details_json,
                    size_t details_json_len,
                    char *buffer,
                    size_t capacity,
                    size_t *needed,
                    struct cotas_error *error);

/**
 * A feature as the tenant has it, its plan's or its own, as a JSON document: true, false, or its
 * level as text.
 *
 * Threads: any. Blocks: only at the first look after a boundary. Fork: no matter.
 */
int32_t cotas_feature(const struct cotas_tenant *tenant,
                      const char *name,
                      size_t name_len,
                      char *buffer,
                      size_t capacity,
                      size_t *needed,
                      struct cotas_error *error);

/**
 * Makes two names one contact, on all channels: a session that is open under either goes on under
 * both. A contact has at most eight names. Doing it again changes nothing.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_link_contact(const struct cotas_tenant *tenant,
                           const char *one,
                           size_t one_len,
                           const char *other,
                           size_t other_len,
                           struct cotas_error *error);

/**
 * Sets units of several resources aside for ttl_ms milliseconds, all or none: units_json is a
 * document such as {"sms": 3, "credits": 1}. The decision names the reservation. Unless it is
 * committed in time the units go back. Under a key (NULL: none) it takes effect once.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_reserve(const struct cotas_tenant *tenant,
                      const char *units_json,
                      size_t units_json_len,
                      uint64_t ttl_ms,
                      const char *key,
                      size_t key_len,
                      struct cotas_decision *decision,
                      struct cotas_error *error);

/**
 * As cotas_reserve, what an action charges; details_json as in cotas_perform_with. An action that
 * opens a session or takes a lease cannot be set aside.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_reserve_action(const struct cotas_tenant *tenant,
                             const char *action,
                             size_t action_len,
                             const char *details_json,
                             size_t details_json_len,
                             uint64_t ttl_ms,
                             const char *key,
                             size_t key_len,
                             struct cotas_decision *decision,
                             struct cotas_error *error);

/**
 * Uses what a reservation holds. A reservation is resolved once: afterwards it is
 * COTAS_E_ALREADY_RESOLVED, and the message says how it was.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_commit(const struct cotas_tenant *tenant,
                     const char *reservation,
                     size_t reservation_len,
                     struct cotas_error *error);

/**
 * Uses so much of what a reservation holds (units_json as in cotas_reserve) and gives the rest
 * back.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_commit_part(const struct cotas_tenant *tenant,
                          const char *reservation,
                          size_t reservation_len,
                          const char *units_json,
                          size_t units_json_len,
                          struct cotas_error *error);

/**
 * Gives back what a reservation holds, to the grants that it came from, if they still live.
 *
 * Threads: any. Blocks: as cotas_consume; what a closed period has used waits for the disk. Fork:
 * no matter.
 */
int32_t cotas_release(const struct cotas_tenant *tenant,
                      const char *reservation,
                      size_t reservation_len,
                      struct cotas_error *error);

/**
 * Gives back what the decision with this receipt charged, to the same grants, if they still live.
 * A session that it opened stays open and paid; a lease is released by itself. Once per receipt.
 *
 * Threads: any. Blocks: as cotas_release. Fork: no matter.
 */
int32_t cotas_refund(const struct cotas_tenant *tenant,
                     const char *receipt,
                     size_t receipt_len,
                     struct cotas_error *error);

/**
 * Everything that the decision with this receipt charged, by resource and source, as a JSON
 * document: [{"resource", "source" (null: no grant), "units"}].
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_charges_of(const struct cotas_tenant *tenant,
                         const char *receipt,
                         size_t receipt_len,
                         char *buffer,
                         size_t capacity,
                         size_t *needed,
                         struct cotas_error *error);

/**
 * May a holder (a call's id, say) have a place of a lease resource now? If so it is taken for
 * ttl_ms milliseconds (0: as the catalog says). A holder that has one keeps it, with its fencing
 * number, and the time begins anew. Under a key (NULL: none) it takes effect once.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_lease_acquire(const struct cotas_tenant *tenant,
                            const char *resource,
                            size_t resource_len,
                            const char *holder,
                            size_t holder_len,
                            uint64_t ttl_ms,
                            const char *key,
                            size_t key_len,
                            struct cotas_decision *decision,
                            struct cotas_error *error);

/**
 * Whether cotas_lease_acquire would succeed. Changes nothing.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_lease_check(const struct cotas_tenant *tenant,
                          const char *resource,
                          size_t resource_len,
                          const char *holder,
                          size_t holder_len,
                          struct cotas_decision *decision,
                          struct cotas_error *error);

/**
 * Prolongs a lease that its holder still has under this fencing number: it ends ttl_ms
 * milliseconds from now (0: as the catalog says). *expires_at_ms, unless NULL, becomes when.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_lease_renew(const struct cotas_tenant *tenant,
                          const char *resource,
                          size_t resource_len,
                          const char *holder,
                          size_t holder_len,
                          uint64_t fencing,
                          uint64_t ttl_ms,
                          int64_t *expires_at_ms,
                          struct cotas_error *error);

/**
 * Gives a lease back before its time.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_lease_release(const struct cotas_tenant *tenant,
                            const char *resource,
                            size_t resource_len,
                            const char *holder,
                            size_t holder_len,
                            uint64_t fencing,
                            struct cotas_error *error);

/**
 * May so much be added to a meter? If so, it is. Under a key (NULL: none) it takes effect once.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_meter_add(const struct cotas_tenant *tenant,
                        const char *resource,
                        size_t resource_len,
                        uint64_t units,
                        const char *key,
                        size_t key_len,
                        struct cotas_decision *decision,
                        struct cotas_error *error);

/**
 * Takes so much from a meter, but never below zero: what is gone is gone, so it is always allowed.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_meter_subtract(const struct cotas_tenant *tenant,
                             const char *resource,
                             size_t resource_len,
                             uint64_t units,
                             const char *key,
                             size_t key_len,
                             struct cotas_decision *decision,
                             struct cotas_error *error);

/**
 * Brings a meter to a value: upwards as cotas_meter_add does, downwards in any case.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_meter_set(const struct cotas_tenant *tenant,
                        const char *resource,
                        size_t resource_len,
                        uint64_t value,
                        const char *key,
                        size_t key_len,
                        struct cotas_decision *decision,
                        struct cotas_error *error);

/**
 * What cotas_meter_add would answer. Changes nothing.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_meter_check(const struct cotas_tenant *tenant,
                          const char *resource,
                          size_t resource_len,
                          uint64_t units,
                          struct cotas_decision *decision,
                          struct cotas_error *error);

/**
 * May units pass for a subject (a channel and contact, say) of a rate resource now? A denial says
 * when. Under a key (NULL: none) it takes effect once.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_rate_pass(const struct cotas_tenant *tenant,
                        const char *resource,
                        size_t resource_len,
                        const char *subject,
                        size_t subject_len,
                        uint64_t units,
                        const char *key,
                        size_t key_len,
                        struct cotas_decision *decision,
                        struct cotas_error *error);

/**
 * What cotas_rate_pass would answer. Changes nothing.
 *
 * Threads: any. Blocks: as cotas_consume. Fork: no matter.
 */
int32_t cotas_rate_check(const struct cotas_tenant *tenant,
                         const char *resource,
                         size_t resource_len,
                         const char *subject,
                         size_t subject_len,
                         uint64_t units,
                         struct cotas_decision *decision,
                         struct cotas_error *error);

/**
 * May a holder have a seat of a resource? If so it is taken until it is released. A holder that
 * has one keeps it. pending (1) says that the holder was only invited, which holds the seat all
 * the same. token (NULL: none), of 8 to 1,024 bytes, opens the seat, and is unique over the
 * database: only its keyed hash is kept.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_seat_occupy(const struct cotas_tenant *tenant,
                          const char *resource,
                          size_t resource_len,
                          const char *holder,
                          size_t holder_len,
                          int32_t pending,
                          const char *token,
                          size_t token_len,
                          struct cotas_decision *decision,
                          struct cotas_error *error);

/**
 * Frees the seat of a holder. *released, unless NULL, becomes 1, or 0 if there was none.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_seat_release(const struct cotas_tenant *tenant,
                           const char *resource,
                           size_t resource_len,
                           const char *holder,
                           size_t holder_len,
                           int32_t *released,
                           struct cotas_error *error);

/**
 * Gives the seat of one holder to another, which always passes: nothing more is held than before.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_seat_replace(const struct cotas_tenant *tenant,
                           const char *resource,
                           size_t resource_len,
                           const char *holder,
                           size_t holder_len,
                           const char *other,
                           size_t other_len,
                           struct cotas_error *error);

/**
 * Who holds seats of a resource, as a JSON document: [{"holder", "since", "pending",
 * "has_token"}].
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_seats(const struct cotas_tenant *tenant,
                    const char *resource,
                    size_t resource_len,
                    char *buffer,
                    size_t capacity,
                    size_t *needed,
                    struct cotas_error *error);

/**
 * The seat that a token opens, as a JSON document: {"tenant", "resource", "holder"}, or null. It
 * takes the same time whether the token is nearly right or not.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_verify_token(const struct cotas_engine *engine,
                           const char *token,
                           size_t token_len,
                           char *buffer,
                           size_t capacity,
                           size_t *needed,
                           struct cotas_error *error);

/**
 * Puts a tenant on a plan now: the period is closed and a new one begins with the plan's units;
 * extras stay. first_due is a date, YYYY-MM-DD, whose day is the day of all later ones; auto_renew
 * (1 or 0) says whether units are restored the day after each. Under a key (NULL: none) it takes
 * effect once.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_change_plan(const struct cotas_engine *engine,
                          const char *tenant,
                          size_t tenant_len,
                          const char *plan,
                          size_t plan_len,
                          const char *first_due,
                          size_t first_due_len,
                          int32_t auto_renew,
                          const char *key,
                          size_t key_len,
                          struct cotas_error *error);

/**
 * Chooses another plan that begins when its first invoice is paid; until then the present one goes
 * on. *invoice, unless NULL, becomes the number of that invoice. Arguments as
 * in cotas_change_plan; payment_type is an opaque label ("Manual", "Asaas" ...).
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_choose_plan(const struct cotas_engine *engine,
                          const char *tenant,
                          size_t tenant_len,
                          const char *plan,
                          size_t plan_len,
                          const char *first_due,
                          size_t first_due_len,
                          int32_t auto_renew,
                          const char *payment_type,
                          size_t payment_type_len,
                          const char *key,
                          size_t key_len,
                          int64_t *invoice,
                          struct cotas_error *error);

/**
 * Has a tenant join another plan when its present period ends. Under a key (NULL: none) it takes
 * effect once.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_schedule_plan(const struct cotas_engine *engine,
                            const char *tenant,
                            size_t tenant_len,
                            const char *plan,
                            size_t plan_len,
                            const char *key,
                            size_t key_len,
                            struct cotas_error *error);

/**
 * Takes back what cotas_schedule_plan did: the present plan goes on. *cancelled, unless NULL,
 * becomes 1, or 0 if no plan was scheduled.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_cancel_scheduled_plan(const struct cotas_engine *engine,
                                    const char *tenant,
                                    size_t tenant_len,
                                    int32_t *cancelled,
                                    struct cotas_error *error);

/**
 * Moves a tenant to its plan as the catalog in force has it: until then it keeps the version that
 * it joined. *moved, unless NULL, becomes 1, or 0 if it was on that version already.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_move_to_newest_version(const struct cotas_engine *engine,
                                     const char *tenant,
                                     size_t tenant_len,
                                     int32_t *moved,
                                     struct cotas_error *error);

/**
 * Changes how the next invoices of a tenant are paid, and what the gateway calls the subscription
 * (gateway_id; NULL: nothing).
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_set_payment_form(const struct cotas_engine *engine,
                               const char *tenant,
                               size_t tenant_len,
                               const char *payment_type,
                               size_t payment_type_len,
                               const char *gateway_id,
                               size_t gateway_id_len,
                               struct cotas_error *error);

/**
 * Changes how the next invoices of a tenant are paid at the gateway: "boleto", "card", "pix",
 * "cash", "transfer" or "other". Invoices that exist and are not paid follow.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_set_payment_method(const struct cotas_engine *engine,
                                 const char *tenant,
                                 size_t tenant_len,
                                 const char *method,
                                 size_t method_len,
                                 struct cotas_error *error);

/**
 * Gives a tenant units on top of its plan's, which survive renewal: from starts_at_ms (0: now)
 * until expires_at_ms (0: when they are used up). source says why: "extra", "package" or "manual".
 * Lower priorities are used first: the plan's units have 0, extras usually 10; from -1,000 to
 * 1,000. Under a key (NULL: none) it takes effect once.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_grant(const struct cotas_engine *engine,
                    const char *tenant,
                    size_t tenant_len,
                    const char *resource,
                    size_t resource_len,
                    const char *source,
                    size_t source_len,
                    uint64_t units,
                    int64_t priority,
                    int64_t starts_at_ms,
                    int64_t expires_at_ms,
                    const char *key,
                    size_t key_len,
                    struct cotas_error *error);

/**
 * Changes the number of a tenant's plan for a resource: limit is a number, "unlimited" or
 * "disabled". Lowering takes back only units of the plan that are not used; extras stay.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_set_limit(const struct cotas_engine *engine,
                        const char *tenant,
                        size_t tenant_len,
                        const char *resource,
                        size_t resource_len,
                        const char *limit,
                        size_t limit_len,
                        struct cotas_error *error);

/**
 * Moves a tenant to another status: "demo", "onboarding", "active", "past_due", "suspended" or
 * "cancelled", for a reason. A move that the rules do not have is COTAS_E_TRANSITION, unless
 * as_operator is 1; it is audited then.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_set_status(const struct cotas_engine *engine,
                         const char *tenant,
                         size_t tenant_len,
                         const char *status,
                         size_t status_len,
                         const char *reason,
                         size_t reason_len,
                         int32_t as_operator,
                         struct cotas_error *error);

/**
 * Gives a tenant a feature of its own, whatever its plan says: feature_json is true, false, or a
 * level as JSON text ("full"); NULL: as its plan says.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_set_feature(const struct cotas_engine *engine,
                          const char *tenant,
                          size_t tenant_len,
                          const char *name,
                          size_t name_len,
                          const char *feature_json,
                          size_t feature_json_len,
                          struct cotas_error *error);

/**
 * Settles a tenant at the clock's now: what its next decision would do first.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_settle(const struct cotas_engine *engine,
                     const char *tenant,
                     size_t tenant_len,
                     struct cotas_error *error);

/**
 * Believes a clock that shows more than 400 days past all that the tenant has seen
 * (COTAS_E_CLOCK_JUMP), and settles it there.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_confirm_clock(const struct cotas_engine *engine,
                            const char *tenant,
                            size_t tenant_len,
                            struct cotas_error *error);

/**
 * Gives a tenant a limit of its own, whatever plan it is on or joins later: limit as in
 * cotas_set_limit; NULL: as its plan says.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_set_own_limit(const struct cotas_engine *engine,
                            const char *tenant,
                            size_t tenant_len,
                            const char *resource,
                            size_t resource_len,
                            const char *limit,
                            size_t limit_len,
                            struct cotas_error *error);

/**
 * What a quantity of a package costs, as a JSON document: {"amount_cents", "packages": [[size,
 * count]], "hint" (a larger quantity that costs less): {"quantity", "amount_cents"}}.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_quote_package(const struct cotas_engine *engine,
                            const char *package,
                            size_t package_len,
                            uint64_t quantity,
                            char *buffer,
                            size_t capacity,
                            size_t *needed,
                            struct cotas_error *error);

/**
 * Buys on top of a plan: an invoice over the full price is due at once, and what was bought is
 * given when it is paid. Under a key (NULL: none) it takes effect once.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_buy(const struct cotas_engine *engine,
                  const char *tenant,
                  size_t tenant_len,
                  const char *package,
                  size_t package_len,
                  uint64_t quantity,
                  const char *key,
                  size_t key_len,
                  struct cotas_purchase *purchase,
                  struct cotas_error *error);

/**
 * Settles an invoice that was paid by hand, on a day YYYY-MM-DD (NULL: today). Paid already, it
 * changes nothing.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_mark_paid(const struct cotas_engine *engine,
                        int64_t invoice,
                        const char *paid_on,
                        size_t paid_on_len,
                        struct cotas_error *error);

/**
 * Cancels an invoice that was not paid.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_cancel_invoice(const struct cotas_engine *engine,
                             int64_t invoice,
                             struct cotas_error *error);

/**
 * Sets the token that a gateway ("asaas" or "pagarme") sends with its events. Only its keyed hash
 * is kept.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_set_webhook_token(const struct cotas_engine *engine,
                                const char *gateway,
                                size_t gateway_len,
                                const char *token,
                                size_t token_len,
                                struct cotas_error *error);

/**
 * Takes a payment event as it came to the host's web handler: the body, and the token that came
 * with it. Whatever COTAS_OK says of it may be acknowledged, except COTAS_OUTCOME_REFUSED. An
 * event is applied once, however often it comes.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_payment_event(const struct cotas_engine *engine,
                            const char *gateway,
                            size_t gateway_len,
                            const uint8_t *body,
                            size_t body_len,
                            const char *token,
                            size_t token_len,
                            struct cotas_payment *payment,
                            struct cotas_error *error);

/**
 * Whether a document, of the type "cpf" or "cnpj", is well-formed, its check digits are right, and
 * no tenant has it: COTAS_OK, COTAS_E_DOCUMENT or COTAS_E_DOCUMENT_IN_USE. Writes it in its normal
 * form, as text.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_validate_document(const struct cotas_engine *engine,
                                const char *document,
                                size_t document_len,
                                const char *document_type,
                                size_t document_type_len,
                                char *buffer,
                                size_t capacity,
                                size_t *needed,
                                struct cotas_error *error);

/**
 * Has the invoice of a purchase, or of joining a plan, be paid in so many monthly instalments (2
 * to 24); what it pays for is given with the first. cotas_invoices lists them.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_split_invoice(const struct cotas_engine *engine,
                            int64_t invoice,
                            uint32_t parts,
                            struct cotas_error *error);

/**
 * A tenant as it stands now, as a JSON document: status, subscription, balances by resource,
 * grants.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_report(const struct cotas_engine *engine,
                     const char *tenant,
                     size_t tenant_len,
                     char *buffer,
                     size_t capacity,
                     size_t *needed,
                     struct cotas_error *error);

/**
 * What a tenant subscribed to, has left and owes ("Minha assinatura"), as a JSON document.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_statement(const struct cotas_engine *engine,
                        const char *tenant,
                        size_t tenant_len,
                        char *buffer,
                        size_t capacity,
                        size_t *needed,
                        struct cotas_error *error);

/**
 * As cotas_statement, as a page of text to read, in a language: "en" or "pt".
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_statement_page(const struct cotas_engine *engine,
                             const char *tenant,
                             size_t tenant_len,
                             const char *language,
                             size_t language_len,
                             char *buffer,
                             size_t capacity,
                             size_t *needed,
                             struct cotas_error *error);

/**
 * What a tenant has left of what it uses up, as a JSON document.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_balances(const struct cotas_engine *engine,
                       const char *tenant,
                       size_t tenant_len,
                       char *buffer,
                       size_t capacity,
                       size_t *needed,
                       struct cotas_error *error);

/**
 * A tenant's plan, limits and current usage, as a JSON document (plan, status, max_...,
 * ..._enabled, usage). role says who asks: "agent", "manager" or "administrator"; an agent is
 * COTAS_E_ROLE_TOO_LOW.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_plan_report(const struct cotas_engine *engine,
                          const char *tenant,
                          size_t tenant_len,
                          const char *role,
                          size_t role_len,
                          char *buffer,
                          size_t capacity,
                          size_t *needed,
                          struct cotas_error *error);

/**
 * The channels of a tenant, as a JSON document: who holds a seat of a resource or of one within
 * it, the next due date, and what will be charged then.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_channels(const struct cotas_engine *engine,
                       const char *tenant,
                       size_t tenant_len,
                       const char *resource,
                       size_t resource_len,
                       char *buffer,
                       size_t capacity,
                       size_t *needed,
                       struct cotas_error *error);

/**
 * The subscriptions of a tenant, the latest first, as a JSON document.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_subscriptions(const struct cotas_engine *engine,
                            const char *tenant,
                            size_t tenant_len,
                            char *buffer,
                            size_t capacity,
                            size_t *needed,
                            struct cotas_error *error);

/**
 * The closed periods of a tenant, oldest first, as a JSON document.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_periods(const struct cotas_engine *engine,
                      const char *tenant,
                      size_t tenant_len,
                      char *buffer,
                      size_t capacity,
                      size_t *needed,
                      struct cotas_error *error);

/**
 * The invoices of a tenant, by due date, as a JSON document.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_invoices(const struct cotas_engine *engine,
                       const char *tenant,
                       size_t tenant_len,
                       char *buffer,
                       size_t capacity,
                       size_t *needed,
                       struct cotas_error *error);

/**
 * Whose account a tenant is, as a JSON document; null: nobody said so. It is personal.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_profile(const struct cotas_engine *engine,
                      const char *tenant,
                      size_t tenant_len,
                      char *buffer,
                      size_t capacity,
                      size_t *needed,
                      struct cotas_error *error);

/**
 * What of a tenant's seats, leases and meters would be over its limit on another plan, as a JSON
 * document: [{"resource", "used", "limit"}].
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_what_if(const struct cotas_engine *engine,
                      const char *tenant,
                      size_t tenant_len,
                      const char *plan,
                      size_t plan_len,
                      char *buffer,
                      size_t capacity,
                      size_t *needed,
                      struct cotas_error *error);

/**
 * The usage of a tenant by "hour", "day" or "month" of its zone, as a JSON document: of the hours
 * that begin from from_ms on and before to_ms (0: open).
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_usage(const struct cotas_engine *engine,
                    const char *tenant,
                    size_t tenant_len,
                    const char *interval,
                    size_t interval_len,
                    int64_t from_ms,
                    int64_t to_ms,
                    char *buffer,
                    size_t capacity,
                    size_t *needed,
                    struct cotas_error *error);

/**
 * The names of all tenants, sorted, as a JSON document.
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_tenants(const struct cotas_engine *engine,
                      char *buffer,
                      size_t capacity,
                      size_t *needed,
                      struct cotas_error *error);

/**
 * The catalog in force, as a JSON document: {"version", "catalog"}.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_catalog(const struct cotas_engine *engine,
                      char *buffer,
                      size_t capacity,
                      size_t *needed,
                      struct cotas_error *error);

/**
 * Events after the one with the number after (0: from the first), at most max (1 to 10,000),
 * oldest first, as a JSON document. They stay until cotas_acknowledge_events.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_events(const struct cotas_engine *engine,
                     uint64_t after,
                     uint32_t max,
                     char *buffer,
                     size_t capacity,
                     size_t *needed,
                     struct cotas_error *error);

/**
 * How the live file was found when this process opened it, as a JSON document: {"origin"
 * ("adopted", "joined" or "rebuilt"), "why", "may_miss_consumption"}.
 *
 * Threads: any. Blocks: never. Fork: no matter.
 */
int32_t cotas_opening(const struct cotas_engine *engine,
                      char *buffer,
                      size_t capacity,
                      size_t *needed,
                      struct cotas_error *error);

/**
 * Whether the books add up, as a JSON document: [{"tenant", "what"}], empty where they do. It
 * looks at every tenant.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_verify(const struct cotas_engine *engine,
                     char *buffer,
                     size_t capacity,
                     size_t *needed,
                     struct cotas_error *error);

/**
 * The latest administrative changes, at most max (1 to 10,000), the latest first, as a JSON
 * document: of a tenant, or of all (NULL). [{"id", "at", "tenant", "what", "detail"}].
 *
 * Threads: any. Blocks: reads SQLite. Fork: no matter.
 */
int32_t cotas_audit_trail(const struct cotas_engine *engine,
                          const char *tenant,
                          size_t tenant_len,
                          uint32_t max,
                          char *buffer,
                          size_t capacity,
                          size_t *needed,
                          struct cotas_error *error);

/**
 * Does now what maintenance does: writes everything that has changed to SQLite and settles tenants
 * whose time has come. *checkpointed and *settled, unless NULL, become how many tenants. For hosts
 * with COTAS_MAINTENANCE_EXTERNAL: every 100 ms or so.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_maintain(const struct cotas_engine *engine,
                       uint64_t *checkpointed,
                       uint64_t *settled,
                       struct cotas_error *error);

/**
 * Writes everything that has changed to SQLite. *checkpointed, unless NULL, becomes how many
 * tenants.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_checkpoint(const struct cotas_engine *engine,
                         uint64_t *checkpointed,
                         struct cotas_error *error);

/**
 * Copies the database, as of now, to a file that must not exist yet. The copy opens by itself
 * anywhere.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_backup(const struct cotas_engine *engine,
                     const char *target,
                     size_t target_len,
                     struct cotas_error *error);

/**
 * Forgets all events up to and including the one with this number. *forgotten, unless NULL,
 * becomes how many.
 *
 * Threads: any. Blocks: waits for the disk. Fork: no matter.
 */
int32_t cotas_acknowledge_events(const struct cotas_engine *engine,
                                 uint64_t up_to,
                                 uint64_t *forgotten,
                                 struct cotas_error *error);
#ifdef __cplusplus
}
#endif

#endif /* COTAS_H */
