//! What a host gives its gateway as the reference of a charge, so that the payment finds its
//! invoice: `cotas:<database>:<tenant>:<invoice>`.
//!
//! Any other text in that field is the host's own and means nothing here: a bare `17` may be a
//! customer's number, and is no invoice's.

/// What every reference begins with.
const PREFIX: &str = "cotas:";

/// The reference of an invoice, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    /// Which database wrote it: a test system's references pay nothing in production.
    pub(crate) database: &'a str,
    /// The tenant's name, which may have colons itself.
    pub(crate) tenant: &'a str,
    /// The invoice's number.
    pub(crate) invoice: i64,
}

impl<'a> Reference<'a> {
    /// Reads a reference; `None`: the text is the host's own.
    pub(crate) fn parse(text: &'a str) -> Option<Reference<'a>> {
        let (database, rest) = text.strip_prefix(PREFIX)?.split_once(':')?;
        let (tenant, number) = rest.rsplit_once(':')?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let invoice = number.parse().ok().filter(|&id: &i64| is_number && id > 0)?;
        (!tenant.is_empty()).then_some(Reference { database, tenant, invoice })
    }

    /// Writes it.
    pub(crate) fn text(&self) -> String {
        format!("{PREFIX}{}:{}:{}", self.database, self.tenant, self.invoice)
    }
}

/// Whether a text may be a reference of an invoice, of whichever database.
pub(super) fn is_ours(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// What a database is called in references: the beginning of its id, since gateways take texts of
/// 52 (Pagar.me) or 100 characters (Asaas).
pub(crate) fn database_name(id: [u64; 2]) -> String {
    format!("{:08x}", id[0] >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_it_was_written() {
        for tenant in ["acme", "a:b", "::", "padaria são joão", "cotas:x:y:1"] {
            let reference = Reference { database: "01ab", tenant, invoice: 17 };
            assert_eq!(Reference::parse(&reference.text()), Some(reference), "{tenant}");
        }
    }

    #[test]
    fn any_other_text_is_the_host_s_own() {
        for text in [
            "",
            "1",
            "17",
            "padaria-aurora",
            "cotas",
            "cotas:",
            "cotas:01ab",
            "cotas:01ab:17",
            "cotas:01ab::17",
            "cotas:01ab:acme:",
            "cotas:01ab:acme:0",
            "cotas:01ab:acme:-1",
            "cotas:01ab:acme:+1",
            "cotas:01ab:acme:1.0",
            "cotas:01ab:acme:99999999999999999999",
            "Cotas:01ab:acme:1",
            " cotas:01ab:acme:1",
        ] {
            assert_eq!(Reference::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_database_is_named_by_the_beginning_of_its_id() {
        assert_eq!(database_name([0x0123_4567_89ab_cdef, 1]), "01234567");
        assert_eq!(database_name([1, 1]), "00000000");
    }
}
