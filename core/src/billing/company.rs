//! The legal forms of Brazilian companies, as registration forms offer them.

use serde::{Deserialize, Deserializer, Serialize};

/// The legal form of a company (docs/sources.md, Helena, "Tipo da empresa"). What the list does not
/// have is [`Other`](Self::Other).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CompanyType {
    /// Individual micro-entrepreneur.
    Mei,
    /// Individual entrepreneur.
    Ei,
    /// Individual limited company, the form before the SLU.
    Eireli,
    /// Limited company with one partner.
    Slu,
    /// Limited company.
    Ltda,
    /// Corporation.
    Sa,
    /// Simple partnership.
    Ss,
    /// Cooperative.
    Cooperative,
    /// Association.
    Association,
    /// Foundation.
    Foundation,
    /// Body of the state.
    PublicBody,
    /// Anything else.
    Other,
}

impl CompanyType {
    /// Every type, in the order in which a form offers them.
    pub const ALL: [CompanyType; 12] = [
        CompanyType::Mei,
        CompanyType::Ei,
        CompanyType::Eireli,
        CompanyType::Slu,
        CompanyType::Ltda,
        CompanyType::Sa,
        CompanyType::Ss,
        CompanyType::Cooperative,
        CompanyType::Association,
        CompanyType::Foundation,
        CompanyType::PublicBody,
        CompanyType::Other,
    ];

    /// The type's name in programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            CompanyType::Mei => "mei",
            CompanyType::Ei => "ei",
            CompanyType::Eireli => "eireli",
            CompanyType::Slu => "slu",
            CompanyType::Ltda => "ltda",
            CompanyType::Sa => "sa",
            CompanyType::Ss => "ss",
            CompanyType::Cooperative => "cooperative",
            CompanyType::Association => "association",
            CompanyType::Foundation => "foundation",
            CompanyType::PublicBody => "public_body",
            CompanyType::Other => "other",
        }
    }

    /// What a Brazilian form calls it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            CompanyType::Mei => "MEI",
            CompanyType::Ei => "EI",
            CompanyType::Eireli => "EIRELI",
            CompanyType::Slu => "SLU",
            CompanyType::Ltda => "LTDA",
            CompanyType::Sa => "S.A.",
            CompanyType::Ss => "Sociedade simples",
            CompanyType::Cooperative => "Cooperativa",
            CompanyType::Association => "Associação",
            CompanyType::Foundation => "Fundação",
            CompanyType::PublicBody => "Órgão público",
            CompanyType::Other => "Outro",
        }
    }

    /// The type with this [`code`](Self::code), in capitals or not.
    #[must_use]
    pub fn from_code(code: &str) -> Option<CompanyType> {
        Self::ALL.into_iter().find(|known| known.code().eq_ignore_ascii_case(code))
    }
}

impl<'de> Deserialize<'de> for CompanyType {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let code = String::deserialize(from)?;
        CompanyType::from_code(&code).ok_or_else(|| {
            let known = CompanyType::ALL.map(CompanyType::code).join(", ");
            serde::de::Error::custom(format_args!("unknown company type (expected {known})"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_code_in_any_case() {
        for known in CompanyType::ALL {
            assert_eq!(CompanyType::from_code(known.code()), Some(known));
            assert_eq!(CompanyType::from_code(&known.code().to_uppercase()), Some(known));
            let json = serde_json::to_string(&known).unwrap();
            assert_eq!(json, format!("\"{}\"", known.code()));
            assert_eq!(serde_json::from_str::<CompanyType>(&json).unwrap(), known);
        }
        assert_eq!(CompanyType::from_code("Ltda."), None);
        let error = serde_json::from_str::<CompanyType>("\"gmbh\"").unwrap_err().to_string();
        assert!(error.contains("mei, ei") && !error.contains("gmbh"), "{error}");
    }
}
