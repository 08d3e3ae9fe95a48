//! The light colours of the roles: what paper shows, and what a browser shows without a style sheet.

use super::scene::Role;

/// Red, green, blue.
pub type Rgb = (u8, u8, u8);

/// The series, in order. Neighbours differ in lightness too, so that they stay apart in print and for readers who do
/// not tell red from green.
const SERIES: [Rgb; 8] = [
    (0x25, 0x63, 0xeb),
    (0xe0, 0x7b, 0x16),
    (0x0f, 0x8f, 0x86),
    (0xb9, 0x3a, 0x76),
    (0x6d, 0x5b, 0xd0),
    (0x8a, 0xa3, 0x1c),
    (0x0c, 0x4a, 0x6e),
    (0x9a, 0x6a, 0x4f),
];

/// The colour of a role.
pub fn color(role: Role) -> Rgb {
    match role {
        Role::Series(index) => SERIES[index % SERIES.len()],
        Role::Axis => (0x9c, 0xa3, 0xaf),
        Role::Grid => (0xe5, 0xe7, 0xeb),
        Role::Text => (0x1f, 0x29, 0x37),
        Role::Muted => (0x6b, 0x72, 0x80),
    }
}
