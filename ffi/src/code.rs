//! The numbers that every function returns.

/// What a function returns: COTAS_OK, or why it did not do what was asked. A denied request is no
/// error: it is COTAS_OK with a decision that says so. Numbers are never changed or given again;
/// new ones are added. From 100 on they are those that every language shares.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code)] // They come from the engine as numbers.
pub enum cotas_code {
    /// It was done.
    COTAS_OK = 0,
    /// A pointer is NULL that must not be.
    COTAS_E_NULL = 1,
    /// A text is not UTF-8.
    COTAS_E_UTF8 = 2,
    /// The struct_size of a struct is smaller than its first version, or absurdly large. Nothing
    /// was done.
    COTAS_E_STRUCT_SIZE = 3,
    /// The handle is closed, or never was one of this type.
    COTAS_E_HANDLE = 4,
    /// The text needs a larger buffer: *needed says how large.
    COTAS_E_BUFFER = 5,
    /// So many handles are open that there is no capacity for another one.
    COTAS_E_HANDLES = 6,
    /// A bug in Cotas. The handle can only be closed from here on.
    COTAS_PANIC = 7,
    /// The file system said no to opening.
    COTAS_E_OPEN_IO = 100,
    /// The file is no database of Cotas.
    COTAS_E_OPEN_FOREIGN_DATABASE = 101,
    /// The database was written by a newer version.
    COTAS_E_OPEN_SCHEMA_TOO_NEW = 102,
    /// The live file belongs to another database.
    COTAS_E_OPEN_LIVE_FILE_FOREIGN = 103,
    /// The live file was made by an incompatible version.
    COTAS_E_OPEN_LIVE_FILE_VERSION = 104,
    /// The live file is damaged.
    COTAS_E_OPEN_LIVE_FILE_DAMAGED = 105,
    /// The live file is missing while others use it.
    COTAS_E_OPEN_LIVE_FILE_MISSING = 106,
    /// The database has a live file in another place.
    COTAS_E_OPEN_SECOND_LIVE_FILE = 107,
    /// Database and live file do not belong together: a restored backup, a copy.
    COTAS_E_OPEN_TOKEN_MISMATCH = 108,
    /// Not returned any more: processes of all PID namespaces share a database.
    COTAS_E_OPEN_PID_NAMESPACE = 109,
    /// The live file would lie on a network file system.
    COTAS_E_OPEN_NETWORK_FILE_SYSTEM = 110,
    /// Another process has been opening the database for too long.
    COTAS_E_OPEN_BUSY = 111,
    /// This process has the database open with other options.
    COTAS_E_OPEN_ALREADY_OPEN = 112,
    /// A second path leads to the database: a hard link, or a mount of the file alone.
    COTAS_E_OPEN_SEVERAL_PATHS = 113,
    /// The live file was used with another database file.
    COTAS_E_OPEN_DATABASE_MOVED = 114,
    /// The live file would lie on a file system that cannot reserve space.
    COTAS_E_OPEN_FILE_SYSTEM = 115,
    /// Processes that cannot be asked may still be using the live file.
    COTAS_E_OPEN_OWNERS_UNKNOWN = 116,
    /// A backup was copied over the database while its log remains: move both away and put the
    /// backup in place with cotas_restore.
    COTAS_E_OPEN_DATABASE_REPLACED = 117,
    /// Processes are using the database that is to be replaced.
    COTAS_E_OPEN_IN_USE = 118,
    /// SQLite failed.
    COTAS_E_STORE_SQLITE = 200,
    /// The disk is full.
    COTAS_E_STORE_FULL = 201,
    /// The database was locked for too long.
    COTAS_E_STORE_BUSY = 202,
    /// The database cannot be written.
    COTAS_E_STORE_READ_ONLY = 203,
    /// The database was replaced while it was open.
    COTAS_E_STORE_TOKEN_MISMATCH = 204,
    /// An earlier commit's outcome is unknown: the database must be opened again.
    COTAS_E_STORE_POISONED = 205,
    /// The database is damaged.
    COTAS_E_STORE_CORRUPT = 206,
    /// The catalog is wrong; the message names place and rule.
    COTAS_E_CATALOG = 300,
    /// A CPF, CNPJ or CEP is not one.
    COTAS_E_DOCUMENT = 330,
    /// A gateway's webhook cannot be read.
    COTAS_E_PAYLOAD = 331,
    /// Something has no price.
    COTAS_E_PRICE = 332,
    /// There is no such tenant.
    COTAS_E_UNKNOWN_TENANT = 400,
    /// There is such a tenant already.
    COTAS_E_TENANT_EXISTS = 401,
    /// The catalog has no such resource.
    COTAS_E_UNKNOWN_RESOURCE = 402,
    /// The catalog has no such action.
    COTAS_E_UNKNOWN_ACTION = 403,
    /// The catalog has no such plan.
    COTAS_E_UNKNOWN_PLAN = 404,
    /// The operation does not fit the kind of resource.
    COTAS_E_WRONG_KIND = 405,
    /// An argument is not acceptable; the message says which, and why.
    COTAS_E_INVALID_ARGUMENT = 406,
    /// The idempotency key was used before, with other arguments.
    COTAS_E_IDEMPOTENCY_CONFLICT = 407,
    /// An account cannot go from the one status to the other.
    COTAS_E_TRANSITION = 408,
    /// The tenant has no subscription that this could be done to.
    COTAS_E_NO_SUBSCRIPTION = 409,
    /// The clock has jumped far ahead; it must be confirmed for the tenant.
    COTAS_E_CLOCK_JUMP = 410,
    /// A replay has come past this place already.
    COTAS_E_ALREADY_DECIDED = 411,
    /// There is no such reservation.
    COTAS_E_UNKNOWN_RESERVATION = 412,
    /// The reservation was resolved before.
    COTAS_E_ALREADY_RESOLVED = 413,
    /// There is no such receipt.
    COTAS_E_UNKNOWN_RECEIPT = 414,
    /// What the receipt charged was given back before.
    COTAS_E_ALREADY_REFUNDED = 415,
    /// The receipt, reservation or fencing number is from before the live file was rebuilt.
    COTAS_E_STALE = 416,
    /// The holder does not have the lease under this number.
    COTAS_E_LEASE_NOT_HELD = 417,
    /// The holder has no seat.
    COTAS_E_SEAT_NOT_HELD = 418,
    /// The token opens another seat already.
    COTAS_E_TOKEN_TAKEN = 419,
    /// The catalog has changed since the action was quoted.
    COTAS_E_TARIFF_CHANGED = 420,
    /// There is no such feature.
    COTAS_E_UNKNOWN_FEATURE = 421,
    /// The catalog has no such package.
    COTAS_E_UNKNOWN_PACKAGE = 422,
    /// There is no such invoice.
    COTAS_E_UNKNOWN_INVOICE = 423,
    /// The tenant cannot buy this.
    COTAS_E_NOT_FOR_SALE = 424,
    /// Another tenant has this CPF or CNPJ.
    COTAS_E_DOCUMENT_IN_USE = 425,
    /// The report is for managers and above.
    COTAS_E_ROLE_TOO_LOW = 426,
    /// Seats of the resource are taken with a token each, and none was given.
    COTAS_E_TOKEN_MISSING = 427,
    /// The plan's price is agreed one by one, and the tenant has none of its own.
    COTAS_E_PRICE_MISSING = 428,
    /// A registration form is wrong: the operation validate says in which fields.
    COTAS_E_INVALID_FORM = 440,
    /// The tenant owes something, and cannot be erased before that is paid or cancelled.
    COTAS_E_OWES = 441,
    /// The tenant was held by another process for too long; or the engine does not wait.
    COTAS_E_BUSY = 500,
    /// The live file cannot grow.
    COTAS_E_NO_CAPACITY = 501,
    /// It was applied; whether it reached the disk in time is not known.
    COTAS_E_DURABILITY_UNKNOWN = 502,
    /// The live file was found damaged, or a commit's outcome is unknown.
    COTAS_E_POISONED = 503,
    /// A process held it for too long that could not be asked whether it lives.
    COTAS_E_OWNER_NOT_ASKED = 504,
    /// This process cannot use the locks of the live file.
    COTAS_E_NOT_REGISTERED = 505,
}

#[cfg(test)]
mod tests {
    const ENGINE: &str = include_str!("../../core/src/error.rs");
    const HERE: &str = include_str!("code.rs");
    /// Numbers that are not given any more.
    const RETIRED: [i32; 1] = [109];

    /// `LiveFileForeign` as `LIVE_FILE_FOREIGN`.
    fn screaming(name: &str) -> String {
        let mut text = String::new();
        for letter in name.chars() {
            if letter.is_ascii_uppercase() && !text.is_empty() {
                text.push('_');
            }
            text.push(letter.to_ascii_uppercase());
        }
        text
    }

    /// Names and numbers of the arms of the engine's `code()` functions.
    fn engine_codes() -> Vec<(String, i32)> {
        let arm = |line: &str| {
            let (pattern, number) = line.trim().trim_end_matches(',').split_once(" => ")?;
            let (family, rest) = pattern.split_once("::")?;
            let name = rest.split([' ', '(', '{']).next()?;
            let family = match family {
                "Error" => "",
                "OpenError" => "OPEN_",
                "StoreError" => "STORE_",
                _ => return None,
            };
            Some((format!("COTAS_E_{family}{}", screaming(name)), number.parse().ok()?))
        };
        ENGINE.lines().filter_map(arm).collect()
    }

    #[test]
    fn every_error_of_the_engine_has_its_number_here() {
        let engine = engine_codes();
        assert!(engine.len() > 50, "the engine's numbers were not found: {}", engine.len());
        let here: Vec<_> = HERE
            .lines()
            .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "))
            .filter_map(|(name, number)| Some((name.to_owned(), number.parse::<i32>().ok()?)))
            .filter(|(_, number)| *number >= 100)
            .collect();
        for code in &engine {
            assert!(here.contains(code), "{code:?} is missing");
        }
        for code in here.iter().filter(|(_, number)| !RETIRED.contains(number)) {
            assert!(engine.contains(code), "{code:?} is none of the engine's");
        }
    }
}
