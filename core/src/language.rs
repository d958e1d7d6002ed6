//! What people read, in the languages that they read.

use serde::{Deserialize, Serialize};

/// A language that people read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Brazilian Portuguese.
    Portuguese,
}

impl Language {
    /// Every language, the default first.
    pub const ALL: [Language; 2] = [Language::English, Language::Portuguese];

    /// The code that catalogs and command lines use: `en` or `pt`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.say("en", "pt")
    }

    /// The language with this [`code`](Self::code).
    #[must_use]
    pub fn from_code(code: &str) -> Option<Language> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The one or the other text.
    #[must_use]
    pub const fn say(self, english: &'static str, portuguese: &'static str) -> &'static str {
        match self {
            Language::English => english,
            Language::Portuguese => portuguese,
        }
    }
}

/// The same thing said in every language: what people call a resource or a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// In English.
    pub en: String,
    /// In Brazilian Portuguese.
    pub pt: String,
}

impl Wording {
    /// What a name of the catalog reads like where the catalog does not say what people call it:
    /// `notification_credits` is "Notification credits".
    #[must_use]
    pub fn of_name(name: &str) -> Wording {
        let plain = name.replace(['_', '-', '.'], " ");
        let mut letters = plain.chars();
        let text: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        let text = text + letters.as_str();
        Wording { en: text.clone(), pt: text }
    }

    /// In this language.
    #[must_use]
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::English => &self.en,
            Language::Portuguese => &self.pt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_like_words() {
        let wording = Wording::of_name("notification_credits");
        assert_eq!(wording.text(Language::Portuguese), "Notification credits");
        assert_eq!(Wording::of_name("channels.whatsapp").en, "Channels whatsapp");
    }

    #[test]
    fn a_language_has_a_code() {
        for language in Language::ALL {
            assert_eq!(Language::from_code(language.code()), Some(language));
        }
        assert_eq!(Language::from_code("fr"), None);
    }
}
