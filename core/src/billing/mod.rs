//! What money has to say: prices of packages, documents of those who pay, events of payment.
//!
//! Everything here is pure: text in, values out; nothing reads a clock, a file or the database.

pub mod asaas;
mod cents;
mod cep;
mod company;
mod document;
mod event;
pub(crate) mod matching;
pub mod pagarme;
mod payload;
mod prices;
pub(crate) mod reference;

pub use cents::Cents;
pub use cep::Cep;
pub use company::CompanyType;
pub use document::{Document, DocumentError, DocumentType, PersonType};
pub use event::{Gateway, PaymentEvent, PaymentEventKind, PaymentMethod};
pub use payload::{BODY_BYTES_MAX, PayloadError};
pub(crate) use prices::SIZES_MAX;
pub use prices::{Hint, PackageQuote, PriceError, PriceTable, QUANTITY_MAX};
