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
    COTAS_E_OPEN_SEVERAL_PATHS = 113,
    COTAS_E_OPEN_DATABASE_MOVED = 114,
    COTAS_E_OPEN_FILE_SYSTEM = 115,
    COTAS_E_OPEN_OWNERS_UNKNOWN = 116,
    COTAS_E_OPEN_DATABASE_REPLACED = 117,
    COTAS_E_OPEN_IN_USE = 118,
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
    COTAS_E_TOKEN_MISSING = 427,
    COTAS_E_PRICE_MISSING = 428,
    COTAS_E_INVALID_FORM = 440,
    COTAS_E_OWES = 441,
    COTAS_E_BUSY = 500,
    COTAS_E_NO_CAPACITY = 501,
    COTAS_E_DURABILITY_UNKNOWN = 502,
    COTAS_E_POISONED = 503,
    COTAS_E_OWNER_NOT_ASKED = 504,
    COTAS_E_NOT_REGISTERED = 505
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

typedef enum cotas_delivery {
    COTAS_DELIVERY_SENT = 1,
    COTAS_DELIVERY_DELIVERED = 2,
    COTAS_DELIVERY_READ = 3,
    COTAS_DELIVERY_FAILED = 4
} cotas_delivery;

typedef enum cotas_delivery_outcome {
    COTAS_DELIVERY_COMMITTED = 1,
    COTAS_DELIVERY_RELEASED = 2,
    COTAS_DELIVERY_UNCHANGED = 3,
    COTAS_DELIVERY_UNKNOWN = 4
} cotas_delivery_outcome;

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
    COTAS_REASON_RATE_EXCEEDED = 10,
    COTAS_REASON_PAUSED = 11
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
    COTAS_FLAG_MORE_CHARGES = 64,
    COTAS_FLAG_TOO_OLD = 128
} cotas_flag;

typedef enum cotas_outcome {
    COTAS_OUTCOME_APPLIED = 1,
    COTAS_OUTCOME_DUPLICATE = 2,
    COTAS_OUTCOME_UNKNOWN_EVENT = 3,
    COTAS_OUTCOME_UNKNOWN_PAYMENT = 4,
    COTAS_OUTCOME_NOTHING_TO_DO = 5,
    COTAS_OUTCOME_REFUSED = 6,
    COTAS_OUTCOME_SUBSCRIPTION_ENDED = 7,
    COTAS_OUTCOME_UNMATCHED = 8,
    COTAS_OUTCOME_PAID_AGAIN = 9
} cotas_outcome;

typedef enum cotas_invoice_status {
    COTAS_INVOICE_NONE = 0,
    COTAS_INVOICE_PENDING = 1,
    COTAS_INVOICE_PAID = 2,
    COTAS_INVOICE_OVERDUE = 3,
    COTAS_INVOICE_CANCELLED = 4,
    COTAS_INVOICE_REFUNDED = 5
} cotas_invoice_status;

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

typedef struct cotas_payment {
    uint32_t struct_size;
    int32_t outcome;
    int64_t invoice;
    int64_t subscription;
    int32_t invoice_status;
    uint32_t reserved;
} cotas_payment;

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

int32_t cotas_options_set_disk_timeout_ms(struct cotas_options *options,
                                          uint64_t timeout_ms,
                                          struct cotas_error *error);

int32_t cotas_options_set_lag_max_ms(struct cotas_options *options,
                                     uint64_t max_ms,
                                     struct cotas_error *error);

int32_t cotas_options_set_live_directory(struct cotas_options *options,
                                         const char *directory,
                                         size_t directory_len,
                                         struct cotas_error *error);

int32_t cotas_options_set_allow_network_file_system(struct cotas_options *options,
                                                    int32_t allow,
                                                    struct cotas_error *error);

int32_t cotas_options_set_keep_open(struct cotas_options *options,
                                    int32_t keep,
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

int32_t cotas_engine_without_waiting(const struct cotas_engine *engine,
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

int32_t cotas_tenant_open(const struct cotas_engine *engine,
                          const char *name,
                          size_t name_len,
                          struct cotas_tenant **tenant,
                          struct cotas_error *error);

int32_t cotas_tenant_with_key_lifetime(const struct cotas_tenant *tenant,
                                       uint64_t lifetime_ms,
                                       struct cotas_tenant **other,
                                       struct cotas_error *error);

int32_t cotas_tenant_close(struct cotas_tenant *tenant);

const char *cotas_reason_name(int32_t reason);

const char *cotas_demo_notice(void);

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

int32_t cotas_perform_with(const struct cotas_tenant *tenant,
                           const char *action,
                           size_t action_len,
                           const char *details_json,
                           size_t details_json_len,
                           const char *key,
                           size_t key_len,
                           struct cotas_decision *decision,
                           struct cotas_error *error);

int32_t cotas_check_action(const struct cotas_tenant *tenant,
                           const char *action,
                           size_t action_len,
                           const char *details_json,
                           size_t details_json_len,
                           struct cotas_decision *decision,
                           struct cotas_error *error);

int32_t cotas_quote(const struct cotas_tenant *tenant,
                    const char *action,
                    size_t action_len,
                    const char *details_json,
                    size_t details_json_len,
                    char *buffer,
                    size_t capacity,
                    size_t *needed,
                    struct cotas_error *error);

int32_t cotas_quote_contacts(const struct cotas_tenant *tenant,
                             const char *action,
                             size_t action_len,
                             const char *contacts_json,
                             size_t contacts_json_len,
                             const char *details_json,
                             size_t details_json_len,
                             char *buffer,
                             size_t capacity,
                             size_t *needed,
                             struct cotas_error *error);

int32_t cotas_link_contact(const struct cotas_tenant *tenant,
                           const char *one,
                           size_t one_len,
                           const char *other,
                           size_t other_len,
                           struct cotas_error *error);

int32_t cotas_reserve(const struct cotas_tenant *tenant,
                      const char *units_json,
                      size_t units_json_len,
                      uint64_t ttl_ms,
                      const char *key,
                      size_t key_len,
                      struct cotas_decision *decision,
                      struct cotas_error *error);

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

int32_t cotas_sent(const struct cotas_tenant *tenant,
                   const char *reservation,
                   size_t reservation_len,
                   const char *message,
                   size_t message_len,
                   struct cotas_error *error);

int32_t cotas_report_delivery(const struct cotas_tenant *tenant,
                              const char *message,
                              size_t message_len,
                              int32_t report,
                              int32_t *outcome,
                              struct cotas_error *error);

int32_t cotas_commit(const struct cotas_tenant *tenant,
                     const char *reservation,
                     size_t reservation_len,
                     struct cotas_error *error);

int32_t cotas_commit_part(const struct cotas_tenant *tenant,
                          const char *reservation,
                          size_t reservation_len,
                          const char *units_json,
                          size_t units_json_len,
                          struct cotas_error *error);

int32_t cotas_release(const struct cotas_tenant *tenant,
                      const char *reservation,
                      size_t reservation_len,
                      struct cotas_error *error);

int32_t cotas_refund(const struct cotas_tenant *tenant,
                     const char *receipt,
                     size_t receipt_len,
                     struct cotas_error *error);

int32_t cotas_charges_of(const struct cotas_tenant *tenant,
                         const char *receipt,
                         size_t receipt_len,
                         char *buffer,
                         size_t capacity,
                         size_t *needed,
                         struct cotas_error *error);

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

int32_t cotas_lease_check(const struct cotas_tenant *tenant,
                          const char *resource,
                          size_t resource_len,
                          const char *holder,
                          size_t holder_len,
                          struct cotas_decision *decision,
                          struct cotas_error *error);

int32_t cotas_lease_renew(const struct cotas_tenant *tenant,
                          const char *resource,
                          size_t resource_len,
                          const char *holder,
                          size_t holder_len,
                          uint64_t fencing,
                          uint64_t ttl_ms,
                          int64_t *expires_at_ms,
                          struct cotas_error *error);

int32_t cotas_lease_release(const struct cotas_tenant *tenant,
                            const char *resource,
                            size_t resource_len,
                            const char *holder,
                            size_t holder_len,
                            uint64_t fencing,
                            struct cotas_error *error);

int32_t cotas_meter_add(const struct cotas_tenant *tenant,
                        const char *resource,
                        size_t resource_len,
                        uint64_t units,
                        const char *key,
                        size_t key_len,
                        struct cotas_decision *decision,
                        struct cotas_error *error);

int32_t cotas_meter_subtract(const struct cotas_tenant *tenant,
                             const char *resource,
                             size_t resource_len,
                             uint64_t units,
                             const char *key,
                             size_t key_len,
                             struct cotas_decision *decision,
                             struct cotas_error *error);

int32_t cotas_meter_set(const struct cotas_tenant *tenant,
                        const char *resource,
                        size_t resource_len,
                        uint64_t value,
                        const char *key,
                        size_t key_len,
                        struct cotas_decision *decision,
                        struct cotas_error *error);

int32_t cotas_meter_check(const struct cotas_tenant *tenant,
                          const char *resource,
                          size_t resource_len,
                          uint64_t units,
                          struct cotas_decision *decision,
                          struct cotas_error *error);

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

int32_t cotas_rate_check(const struct cotas_tenant *tenant,
                         const char *resource,
                         size_t resource_len,
                         const char *subject,
                         size_t subject_len,
                         uint64_t units,
                         struct cotas_decision *decision,
                         struct cotas_error *error);

int32_t cotas_perform_next(const struct cotas_tenant *tenant,
                           const uint8_t *source,
                           size_t source_len,
                           int64_t since_ms,
                           uint64_t position,
                           const char *action,
                           size_t action_len,
                           const char *details_json,
                           size_t details_json_len,
                           const char *key,
                           size_t key_len,
                           struct cotas_decision *decision,
                           struct cotas_error *error);

int32_t cotas_progress(const struct cotas_tenant *tenant,
                       const uint8_t *source,
                       size_t source_len,
                       char *buffer,
                       size_t capacity,
                       size_t *needed,
                       struct cotas_error *error);

int32_t cotas_whatsapp_events(const uint8_t *body,
                              size_t body_len,
                              char *buffer,
                              size_t capacity,
                              size_t *needed,
                              struct cotas_error *error);

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

int32_t cotas_seat_warning(const struct cotas_tenant *tenant,
                           const char *resource,
                           size_t resource_len,
                           char *buffer,
                           size_t capacity,
                           size_t *needed,
                           struct cotas_error *error);

int32_t cotas_seat_release(const struct cotas_tenant *tenant,
                           const char *resource,
                           size_t resource_len,
                           const char *holder,
                           size_t holder_len,
                           int32_t *released,
                           struct cotas_error *error);

int32_t cotas_seat_replace(const struct cotas_tenant *tenant,
                           const char *resource,
                           size_t resource_len,
                           const char *holder,
                           size_t holder_len,
                           const char *other,
                           size_t other_len,
                           struct cotas_error *error);

int32_t cotas_call(const struct cotas_engine *engine,
                   const char *operation,
                   size_t operation_len,
                   const char *arguments_json,
                   size_t arguments_json_len,
                   const char *key,
                   size_t key_len,
                   char *buffer,
                   size_t capacity,
                   size_t *needed,
                   struct cotas_error *error);

int32_t cotas_payment_event(const struct cotas_engine *engine,
                            const char *gateway,
                            size_t gateway_len,
                            const uint8_t *body,
                            size_t body_len,
                            const char *token,
                            size_t token_len,
                            struct cotas_payment *payment,
                            struct cotas_error *error);

int32_t cotas_doctor(const char *path,
                     size_t path_len,
                     const struct cotas_options *options,
                     char *buffer,
                     size_t capacity,
                     size_t *needed,
                     struct cotas_error *error);

int32_t cotas_restore(const char *path,
                      size_t path_len,
                      const struct cotas_options *options,
                      const char *backup,
                      size_t backup_len,
                      struct cotas_error *error);
