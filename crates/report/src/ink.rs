//! The inks of the charts: each has a colour that stands in the SVG itself and a class by which the style
//! sheet changes it for a dark page.

use plotters::style::RGBColor;
use plotters_backend::BackendColor;

use crate::identity::Family;

/// Everything that is drawn has one of these inks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// A strategy's family.
    Family(Family),
    /// Titles and labels.
    Text,
    /// Ticks and secondary labels.
    Muted,
    /// Grid lines.
    Grid,
    /// The page.
    Paper,
    /// Areas in which nothing is claimed.
    Strip,
}

impl Ink {
    /// Every ink; no two share a colour, because the backend knows an ink by its colour.
    pub(crate) const ALL: [Ink; 10] = [
        Ink::Family(Family::TimeBound),
        Ink::Family(Family::StateCheck),
        Ink::Family(Family::Cache),
        Ink::Family(Family::KeyLevel),
        Ink::Family(Family::Baseline),
        Ink::Text,
        Ink::Muted,
        Ink::Grid,
        Ink::Paper,
        Ink::Strip,
    ];

    /// The colour on white.
    pub(crate) fn light(self) -> (u8, u8, u8) {
        match self {
            Ink::Family(Family::TimeBound) => (0x00, 0x72, 0xB2),
            Ink::Family(Family::StateCheck) => (0xD5, 0x5E, 0x00),
            Ink::Family(Family::Cache) => (0x00, 0x5C, 0x42),
            Ink::Family(Family::KeyLevel) => (0x7A, 0x2E, 0x6B),
            Ink::Family(Family::Baseline) => (0x1A, 0x21, 0x29),
            Ink::Text => (0x1B, 0x21, 0x29),
            Ink::Muted => (0x55, 0x60, 0x6B),
            Ink::Grid => (0xD8, 0xDE, 0xE4),
            Ink::Paper => (0xFF, 0xFF, 0xFF),
            Ink::Strip => (0xEE, 0xF1, 0xF4),
        }
    }

    /// The letter that classes end in: `k` plus it strokes, `f` plus it fills.
    pub(crate) fn letter(self) -> char {
        match self {
            Ink::Family(Family::TimeBound) => 't',
            Ink::Family(Family::StateCheck) => 's',
            Ink::Family(Family::Cache) => 'c',
            Ink::Family(Family::KeyLevel) => 'k',
            Ink::Family(Family::Baseline) => 'b',
            Ink::Text => 'x',
            Ink::Muted => 'm',
            Ink::Grid => 'g',
            Ink::Paper => 'p',
            Ink::Strip => 'z',
        }
    }

    /// The ink as plotters takes it.
    pub(crate) fn colour(self) -> RGBColor {
        let (r, g, b) = self.light();
        RGBColor(r, g, b)
    }

    /// The ink of a colour that plotters hands to the backend.
    pub(crate) fn of(colour: BackendColor) -> Ink {
        Ink::ALL.into_iter().find(|ink| ink.light() == colour.rgb).unwrap_or(Ink::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ink_is_known_by_its_colour_and_its_letter() {
        for (i, a) in Ink::ALL.iter().enumerate() {
            let colour = BackendColor { alpha: 1.0, rgb: a.light() };
            assert_eq!(Ink::of(colour), *a);
            assert!(Ink::ALL[i + 1..].iter().all(|b| b.letter() != a.letter()));
        }
    }

    #[test]
    fn the_style_sheet_knows_every_ink() {
        for ink in Ink::ALL {
            for class in [format!(".k{}{{stroke:", ink.letter()), format!(".f{}{{fill:", ink.letter())] {
                assert!(crate::html::STYLE.contains(&class), "the style sheet lacks {class}");
            }
        }
    }
}
