//! Brazilian registration numbers: CPF of people, CNPJ of companies, also with letters.
//!
//! The check digits are the crate `stdbr-core`'s, pinned: it holds all 523 numbers that the
//! Receita Federal issued as test data, agreed with an independent computation on 300,000 random
//! alphanumeric numbers, depends on nothing, and its strict reading refuses what it should.
//! `cpf_cnpj` 0.3 computes as well, but strips ".", "-" and "/" from any place
//! (`12-345-678.0001/95` passes) and takes 12 equal characters, and it brings a random generator.
//!
//! A number is written with all of its punctuation, `123.456.789-09` and `12.ABC.345/01DE-35`, or
//! with none; half of it, or another kind, is a slip of the keyboard and refused. Spaces before
//! and after are dropped, small letters a to z become capitals, and nothing else is forgiven.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use stdbr_core::cnpj::{Cnpj, CnpjError};
use stdbr_core::cpf::{Cpf, CpfError};

/// The longest way to write a number, in bytes: a CNPJ with its punctuation.
const WRITTEN_BYTES_MAX: usize = 18;

/// The kinds of registration number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentType {
    /// Of a natural person: 11 digits.
    Cpf,
    /// Of a legal person: 14 places, the first 12 of which may be letters (since July 2026).
    Cnpj,
}

impl DocumentType {
    /// Every type.
    pub const ALL: [DocumentType; 2] = [DocumentType::Cpf, DocumentType::Cnpj];

    /// The type's name in programs: `cpf` or `cnpj` (docs/sources.md, Voki, `document_type`).
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            DocumentType::Cpf => "cpf",
            DocumentType::Cnpj => "cnpj",
        }
    }

    /// The type with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<DocumentType> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// Who has such a number.
    #[must_use]
    pub const fn person(self) -> PersonType {
        match self {
            DocumentType::Cpf => PersonType::Natural,
            DocumentType::Cnpj => PersonType::Legal,
        }
    }

    const fn form(self) -> &'static str {
        match self {
            DocumentType::Cpf => "123.456.789-09 or 12345678909",
            DocumentType::Cnpj => "12.ABC.345/01DE-35 or 12ABC34501DE35",
        }
    }
}

impl fmt::Display for DocumentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DocumentType::Cpf => "CPF",
            DocumentType::Cnpj => "CNPJ",
        })
    }
}

/// The kinds of person that the law knows (docs/sources.md, LiveChat 360).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonType {
    /// A human being, "Pessoa Física".
    Natural,
    /// A company or another body, "Pessoa Jurídica".
    Legal,
}

impl PersonType {
    /// The type's name in programs: `natural` or `legal`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            PersonType::Natural => "natural",
            PersonType::Legal => "legal",
        }
    }

    /// The type with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<PersonType> {
        [PersonType::Natural, PersonType::Legal].into_iter().find(|known| known.code() == code)
    }

    /// What a Brazilian form calls it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            PersonType::Natural => "Pessoa Física",
            PersonType::Legal => "Pessoa Jurídica",
        }
    }
}

/// Why a document or a postal code is refused. The number itself is personal: no message has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is not written as such a number is.
    #[error("the document is not a valid {0}: write it as {form}", form = .0.form())]
    Form(DocumentType),
    /// The same character over and over: no such number is issued.
    #[error("the document is not a valid {0}: all its characters are equal")]
    AllEqual(DocumentType),
    /// The check digits are others: a slip of the keyboard.
    #[error("the document is not a valid {0}: its check digits are wrong")]
    CheckDigits(DocumentType),
    /// It is not written as a postal code is.
    #[error("the postal code is not a valid CEP: write it as 01310-100 or 01310100")]
    Cep,
}

/// A valid registration number in its normal form: two are equal if they are the same number.
///
/// It displays with its punctuation; [`Debug`] does not show the number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Document(Number);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    Cpf(Cpf),
    Cnpj(Cnpj),
}

impl Document {
    /// Reads and checks `text` as a number of this type: well-formed, not all equal, and its check
    /// digits right. How it may be written is in [the module's description](self).
    pub fn parse(text: &str, document_type: DocumentType) -> Result<Document, DocumentError> {
        let text = text.trim_matches(' ');
        if text.len() > WRITTEN_BYTES_MAX {
            return Err(DocumentError::Form(document_type));
        }
        let number = match document_type {
            DocumentType::Cpf => Number::Cpf(text.parse().map_err(|error| match error {
                CpfError::AllDigitsEqual => DocumentError::AllEqual(document_type),
                CpfError::InvalidCheckDigits => DocumentError::CheckDigits(document_type),
                _ => DocumentError::Form(document_type),
            })?),
            DocumentType::Cnpj => {
                Number::Cnpj(text.to_ascii_uppercase().parse().map_err(|error| match error {
                    CnpjError::AllCharsEqual => DocumentError::AllEqual(document_type),
                    CnpjError::InvalidCheckDigits => DocumentError::CheckDigits(document_type),
                    _ => DocumentError::Form(document_type),
                })?)
            }
        };
        Ok(Document(number))
    }

    /// The normal form, without punctuation: what to compare and to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Number::Cpf(cpf) => cpf.as_str(),
            Number::Cnpj(cnpj) => cnpj.as_str(),
        }
    }

    /// The kind of number.
    #[must_use]
    pub const fn document_type(&self) -> DocumentType {
        match self.0 {
            Number::Cpf(_) => DocumentType::Cpf,
            Number::Cnpj(_) => DocumentType::Cnpj,
        }
    }
}

impl Hash for Document {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Number::Cpf(cpf) => cpf.fmt(f),
            Number::Cnpj(cnpj) => cnpj.fmt(f),
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.document_type())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// Some of the numbers that the Receita Federal issued as test data.
    const RECEITA_FEDERAL: [&str; 8] = [
        "SY.99M.4WL/0001-22",
        "SY.99M.4WL/1G7A-66",
        "4B.7BJ.E7D/0001-45",
        "4B.7BJ.E7D/AVWA-36",
        "PW.6EE.Z91/0001-70",
        "9M.05N.MN2/TZR5-92",
        "RR.3CC.775/0001-00",
        "LT.6AT.44T/0001-82",
    ];

    fn cpf(text: &str) -> Result<Document, DocumentError> {
        Document::parse(text, DocumentType::Cpf)
    }

    fn cnpj(text: &str) -> Result<Document, DocumentError> {
        Document::parse(text, DocumentType::Cnpj)
    }

    #[test]
    fn valid_cpfs_are_accepted_with_and_without_punctuation() {
        for text in ["123.456.789-09", "111.444.777-35", "529.982.247-25"] {
            let document = cpf(text).unwrap();
            assert_eq!(document.to_string(), text);
            assert_eq!(document.as_str(), text.replace(['.', '-'], ""));
            assert_eq!(cpf(document.as_str()), Ok(document));
            assert_eq!(cpf(&format!("  {text} ")), Ok(document));
        }
    }

    #[test]
    fn a_cpf_of_equal_digits_is_refused() {
        for digit in '0'..='9' {
            let plain = digit.to_string().repeat(11);
            assert_eq!(cpf(&plain), Err(DocumentError::AllEqual(DocumentType::Cpf)));
        }
        assert_eq!(cpf("111.111.111-11"), Err(DocumentError::AllEqual(DocumentType::Cpf)));
    }

    #[test]
    fn wrong_check_digits_are_refused() {
        assert_eq!(cpf("123.456.789-00"), Err(DocumentError::CheckDigits(DocumentType::Cpf)));
        assert_eq!(cpf("529.982.247-52"), Err(DocumentError::CheckDigits(DocumentType::Cpf)));
        let error = DocumentError::CheckDigits(DocumentType::Cnpj);
        assert_eq!(cnpj("12.ABC.345/01DE-53"), Err(error));
        assert_eq!(cnpj("11.222.333/0001-80"), Err(error));
    }

    #[test]
    fn valid_cnpjs_are_accepted_also_with_letters() {
        let known = [
            "12.ABC.345/01DE-35",
            "12.345.678/0001-95",
            "00.000.000/0001-91",
            "11.222.333/0001-81",
        ];
        for text in known.iter().chain(&RECEITA_FEDERAL) {
            let document = cnpj(text).unwrap();
            assert_eq!(document.to_string(), *text);
            assert_eq!(document.as_str(), text.replace(['.', '/', '-'], ""));
            assert_eq!(cnpj(document.as_str()), Ok(document));
        }
    }

    #[test]
    fn seed_004_the_documentation_s_own_cnpj_is_refused() {
        let error = DocumentError::CheckDigits(DocumentType::Cnpj);
        assert_eq!(cnpj("12.345.678/0001-90"), Err(error));
    }

    #[test]
    fn a_cnpj_of_equal_characters_is_refused() {
        let error = DocumentError::AllEqual(DocumentType::Cnpj);
        for text in ["00.000.000/0000-00", "00000000000000", "11111111111111", "11111111111180"] {
            assert_eq!(cnpj(text), Err(error), "{text}");
        }
    }

    #[test]
    fn small_letters_are_the_same_number() {
        let document = cnpj("12.abc.345/01de-35").unwrap();
        assert_eq!(document, cnpj("12ABC34501DE35").unwrap());
        assert_eq!(document.to_string(), "12.ABC.345/01DE-35");
    }

    #[test]
    fn punctuation_out_of_place_is_refused() {
        for text in [
            "",
            " ",
            "12345678/0001-95",
            "12.345.678/000195",
            "12-345-678.0001/95",
            "1.2345678/0001-95",
            "12.345.678/0001/95",
            "12 345 678 0001 95",
            "12.345.678/0001-95.",
            "12345678000195/",
            "12.345.678/0001-A5",
            "12.345.678/0001-95\n",
            "\t12.345.678/0001-95",
            "12.345.678\\0001-95",
            "12.345.678/0001-9",
            "123.456.789-09",
        ] {
            assert_eq!(cnpj(text), Err(DocumentError::Form(DocumentType::Cnpj)), "{text:?}");
        }
        for text in ["123.456.78909", "123-456-789.09", "123 456 789 09", "12345678909-", "1234"] {
            assert_eq!(cpf(text), Err(DocumentError::Form(DocumentType::Cpf)), "{text:?}");
        }
    }

    #[test]
    fn digits_of_other_scripts_are_refused() {
        for text in ["１2345678909", "123.456.789-0９", "١٢٣٤٥٦٧٨٩٠٩", "12345678909\u{200b}", "¹23"]
        {
            assert_eq!(cpf(text), Err(DocumentError::Form(DocumentType::Cpf)), "{text:?}");
        }
        // "ß" and "ı" have capitals of their own; a non-breaking space is no space.
        for text in ["12.AßC.345/01DE-35", "1ı.ABC.345/01D-35", "\u{a0}12ABC34501DE35", "１2ABC345"]
        {
            assert_eq!(cnpj(text), Err(DocumentError::Form(DocumentType::Cnpj)), "{text:?}");
        }
    }

    #[test]
    fn neither_debug_nor_errors_report_the_number() {
        let document = cpf("529.982.247-25").unwrap();
        assert_eq!(format!("{document:?}"), "Document(CPF)");
        let error = cpf("529.982.247-26").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("529"));
    }

    #[test]
    fn all_test_numbers_of_the_receita_federal_are_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/rfb_cnpjs.txt");
        // The file is not part of the repository: where it is missing, the eight above stand in.
        let Ok(text) = std::fs::read_to_string(path) else { return };
        let numbers: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(numbers.len(), 523);
        for number in numbers {
            assert_eq!(cnpj(number).unwrap().to_string(), number);
        }
    }

    #[test]
    fn types_have_names() {
        for known in [DocumentType::Cpf, DocumentType::Cnpj] {
            assert_eq!(DocumentType::from_code(known.code()), Some(known));
            assert_eq!(PersonType::from_code(known.person().code()), Some(known.person()));
        }
        assert_eq!(DocumentType::from_code("CPF"), None);
        assert_eq!(cpf("12345678909").unwrap().document_type().person().label(), "Pessoa Física");
        assert_eq!(serde_json::to_string(&DocumentType::Cnpj).unwrap(), "\"cnpj\"");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = (cpf(&text), cnpj(&text));
        }

        #[test]
        fn what_looks_like_a_number_does_not_panic(text in "[0-9A-Za-z./\\- ９é]{0,20}") {
            let _ = (cpf(&text), cnpj(&text));
        }

        #[test]
        fn one_changed_digit_is_noticed(place in 0_usize..14, by in 1_u8..10) {
            let mut digits = *b"12345678000195";
            digits[place] = b'0' + (digits[place] - b'0' + by) % 10;
            let text = std::str::from_utf8(&digits).unwrap();
            prop_assert!(cnpj(text).is_err());
        }
    }
}
