/* As cotas.h, which explains it. */

typedef enum cotas_code {
    COTAS_OK = 0,
    COTAS_E_NULL = 1,
    COTAS_E_UTF8 = 2,
    COTAS_E_STRUCT_SIZE = 3,
    COTAS_E_HANDLE = 4,
    COTAS_E_BUFFER = 5,
    COTAS_E_HANDLES = 6,
    COTAS_PANIC = 7,
    COTAS_E_OPEN_IO = 100,
    COTAS_E_OPEN_FOREIGN_DATABASE = 101,
    COTAS_E_OPEN_SCHEMA_TOO_NEW = 102,
    COTAS_E_OPEN_LIVE_FILE_FOREIGN = 103,
    COTAS_E_OPEN_LIVE_FILE_VERSION = 104,
    COTAS_E_OPEN_LIVE_FILE_DAMAGED = 105,
    COTAS_E_OPEN_LIVE_FILE_MISSING = 106,
    COTAS_E_OPEN_SECOND_LIVE_FILE = 107,
    COTAS_E_OPEN_TOKEN_MISMATCH = 108,
    COTAS_E_OPEN_PID_NAMESPACE = 109,
    COTAS_E_OPEN_NETWORK_FILE_SYSTEM = 110,
    COTAS_E_OPEN_BUSY = 111,
    COTAS_E_OPEN_ALREADY_OPEN = 112,
    COTAS_E_STORE_SQLITE = 200,
    COTAS_E_STORE_FULL = 201,
    COTAS_E_STORE_BUSY = 202,
    COTAS_E_STORE_READ_ONLY = 203,
    COTAS_E_STORE_TOKEN_MISMATCH = 204,
    COTAS_E_STORE_POISONED = 205,
    COTAS_E_STORE_CORRUPT = 206,
    COTAS_E_CATALOG = 300,
    COTAS_E_DOCUMENT = 330,
    COTAS_E_PAYLOAD = 331,
    COTAS_E_PRICE = 332,
    COTAS_E_UNKNOWN_TENANT = 400,
    COTAS_E_TENANT_EXISTS = 401,
    COTAS_E_UNKNOWN_RESOURCE = 402,
    COTAS_E_UNKNOWN_ACTION = 403,
    COTAS_E_UNKNOWN_PLAN = 404,
    COTAS_E_WRONG_KIND = 405,
    COTAS_E_INVALID_ARGUMENT = 406,
    COTAS_E_IDEMPOTENCY_CONFLICT = 407,
    COTAS_E_TRANSITION = 408,
    COTAS_E_NO_SUBSCRIPTION = 409,
    COTAS_E_CLOCK_JUMP = 410,
    COTAS_E_ALREADY_DECIDED = 411,
    COTAS_E_UNKNOWN_RESERVATION = 412,
    COTAS_E_ALREADY_RESOLVED = 413,
    COTAS_E_UNKNOWN_RECEIPT = 414,
    COTAS_E_ALREADY_REFUNDED = 415,
    COTAS_E_STALE = 416,
    COTAS_E_LEASE_NOT_HELD = 417,
    COTAS_E_SEAT_NOT_HELD = 418,
    COTAS_E_TOKEN_TAKEN = 419,
    COTAS_E_TARIFF_CHANGED = 420,
    COTAS_E_UNKNOWN_FEATURE = 421,
    COTAS_E_UNKNOWN_PACKAGE = 422,
    COTAS_E_UNKNOWN_INVOICE = 423,
    COTAS_E_NOT_FOR_SALE = 424,
    COTAS_E_DOCUMENT_IN_USE = 425,
    COTAS_E_ROLE_TOO_LOW = 426,
    COTAS_E_BUSY = 500,
    COTAS_E_NO_ROOM = 501,
    COTAS_E_DURABILITY_UNKNOWN = 502,
    COTAS_E_POISONED = 503
} cotas_code;

typedef enum cotas_durability {
    COTAS_DURABILITY_PROCESS = 1,
    COTAS_DURABILITY_DISK = 2
} cotas_durability;

typedef enum cotas_maintenance {
    COTAS_MAINTENANCE_THREAD = 1,
    COTAS_MAINTENANCE_INLINE = 2,
    COTAS_MAINTENANCE_EXTERNAL = 3
} cotas_maintenance;

typedef enum cotas_direction {
    COTAS_DIRECTION_INBOUND = 1,
    COTAS_DIRECTION_OUTBOUND = 2
} cotas_direction;

typedef enum cotas_reason {
    COTAS_REASON_NONE = 0,
    COTAS_REASON_STATUS_FORBIDS = 1,
    COTAS_REASON_DEMO_EXPIRED = 2,
    COTAS_REASON_NO_SUBSCRIPTION = 3,
    COTAS_REASON_SUBSCRIPTION_PENDING = 4,
    COTAS_REASON_PLAN_LAPSED = 5,
    COTAS_REASON_FEATURE_MISSING = 6,
    COTAS_REASON_SESSION_REQUIRED = 7,
    COTAS_REASON_NOT_IN_PLAN = 8,
    COTAS_REASON_QUOTA_EXHAUSTED = 9,
    COTAS_REASON_RATE_EXCEEDED = 10
} cotas_reason;

typedef enum cotas_mode {
    COTAS_MODE_DISABLED = 0,
    COTAS_MODE_FINITE = 1,
    COTAS_MODE_UNLIMITED = 2
} cotas_mode;

typedef enum cotas_source {
    COTAS_SOURCE_NONE = 0,
    COTAS_SOURCE_PLAN = 1,
    COTAS_SOURCE_EXTRA = 2,
    COTAS_SOURCE_PACKAGE = 3,
    COTAS_SOURCE_MANUAL = 4
} cotas_source;

typedef enum cotas_flag {
    COTAS_FLAG_OVERAGE = 1,
    COTAS_FLAG_DEMO_NOTICE = 2,
    COTAS_FLAG_PAST_DUE = 4,
    COTAS_FLAG_REPLAYED = 8,
    COTAS_FLAG_SESSION_OPENED = 16,
    COTAS_FLAG_LEASE_ACQUIRED = 32,
    COTAS_FLAG_MORE_CHARGES = 64
} cotas_flag;

typedef struct cotas_engine cotas_engine;

typedef struct cotas_options cotas_options;

typedef struct cotas_tenant cotas_tenant;

typedef struct cotas_error {
    uint32_t struct_size;
    int32_t code;
    char message[256];
} cotas_error;

typedef struct cotas_charge {
    uint64_t units;
    uint32_t resource;
    int32_t source;
} cotas_charge;

typedef struct cotas_decision {
    uint32_t struct_size;
    uint32_t allowed;
    int32_t reason;
    uint32_t reasons;
    uint32_t shadowed;
    uint32_t flags;
    uint32_t resource;
    int32_t mode;
    uint64_t units;
    uint64_t used;
    uint64_t available;
    uint64_t limit;
    int64_t retry_at_ms;
    int64_t session_expires_at_ms;
    int64_t lease_expires_at_ms;
    uint64_t fencing;
    char reservation[40];
    char receipt[40];
    uint32_t charge_count;
    uint32_t reserved;
    struct cotas_charge charges[6];
} cotas_decision;

const char *cotas_version(void);

uint32_t cotas_abi_version(void);

int32_t cotas_options_new(struct cotas_options **options, struct cotas_error *error);

int32_t cotas_options_close(struct cotas_options *options);

int32_t cotas_options_set_durability(struct cotas_options *options,
                                     int32_t durability,
                                     struct cotas_error *error);

int32_t cotas_options_set_maintenance(struct cotas_options *options,
                                      int32_t maintenance,
                                      struct cotas_error *error);

int32_t cotas_options_set_checkpoint_interval_ms(struct cotas_options *options,
                                                 uint64_t interval_ms,
                                                 struct cotas_error *error);

int32_t cotas_options_set_disk_patience_ms(struct cotas_options *options,
                                           uint64_t patience_ms,
                                           struct cotas_error *error);

int32_t cotas_options_set_live_directory(struct cotas_options *options,
                                         const char *directory,
                                         size_t directory_len,
                                         struct cotas_error *error);

int32_t cotas_options_set_allow_network_file_system(struct cotas_options *options,
                                                    int32_t allow,
                                                    struct cotas_error *error);

int32_t cotas_options_set_time(struct cotas_options *options,
                               int64_t now_ms,
                               struct cotas_error *error);

int32_t cotas_engine_open(const char *path,
                          size_t path_len,
                          const struct cotas_options *options,
                          struct cotas_engine **engine,
                          struct cotas_error *error);

int32_t cotas_engine_open_in_memory(const struct cotas_options *options,
                                    struct cotas_engine **engine,
                                    struct cotas_error *error);

int32_t cotas_engine_with_durability(const struct cotas_engine *engine,
                                     int32_t durability,
                                     struct cotas_engine **other,
                                     struct cotas_error *error);

int32_t cotas_engine_close(struct cotas_engine *engine);

int32_t cotas_engine_now(const struct cotas_engine *engine,
                         int64_t *now_ms,
                         struct cotas_error *error);

int32_t cotas_engine_set_time(const struct cotas_engine *engine,
                              int64_t now_ms,
                              struct cotas_error *error);

int32_t cotas_load_catalog(const struct cotas_engine *engine,
                           const char *text,
                           size_t text_len,
                           const char *name,
                           size_t name_len,
                           uint64_t *version,
                           struct cotas_error *error);

int32_t cotas_resource(const struct cotas_engine *engine,
                       const char *name,
                       size_t name_len,
                       uint32_t *resource,
                       struct cotas_error *error);

int32_t cotas_resource_name(const struct cotas_engine *engine,
                            uint32_t resource,
                            char *buffer,
                            size_t capacity,
                            size_t *needed,
                            struct cotas_error *error);

int32_t cotas_ensure_tenant(const struct cotas_engine *engine,
                            const char *json,
                            size_t json_len,
                            int32_t *created,
                            struct cotas_error *error);

int32_t cotas_create_tenant(const struct cotas_engine *engine,
                            const char *json,
                            size_t json_len,
                            struct cotas_error *error);

int32_t cotas_tenant_open(const struct cotas_engine *engine,
                          const char *name,
                          size_t name_len,
                          struct cotas_tenant **tenant,
                          struct cotas_error *error);

int32_t cotas_tenant_close(struct cotas_tenant *tenant);

int32_t cotas_consume(const struct cotas_tenant *tenant,
                      const char *resource,
                      size_t resource_len,
                      uint64_t units,
                      const char *key,
                      size_t key_len,
                      struct cotas_decision *decision,
                      struct cotas_error *error);

int32_t cotas_consume_id(const struct cotas_tenant *tenant,
                         uint32_t resource,
                         uint64_t units,
                         struct cotas_decision *decision,
                         struct cotas_error *error);

int32_t cotas_check(const struct cotas_tenant *tenant,
                    const char *resource,
                    size_t resource_len,
                    uint64_t units,
                    struct cotas_decision *decision,
                    struct cotas_error *error);

int32_t cotas_check_id(const struct cotas_tenant *tenant,
                       uint32_t resource,
                       uint64_t units,
                       struct cotas_decision *decision,
                       struct cotas_error *error);

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

int32_t cotas_report(const struct cotas_engine *engine,
                     const char *tenant,
                     size_t tenant_len,
                     char *buffer,
                     size_t capacity,
                     size_t *needed,
                     struct cotas_error *error);

int32_t cotas_statement(const struct cotas_engine *engine,
                        const char *tenant,
                        size_t tenant_len,
                        char *buffer,
                        size_t capacity,
                        size_t *needed,
                        struct cotas_error *error);
