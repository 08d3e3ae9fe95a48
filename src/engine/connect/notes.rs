//! What is told of values that are not kept as they were.

/// Sentences at most.
pub const MOST_NOTES: usize = 100;

/// What is not kept as it was, because no type of ours has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A day that is none, as `0000-00-00`: null.
    ZeroDate,
    /// A time before or after all times: the first or last one of the calendar.
    Infinite,
    /// Text that is not Unicode: with U+FFFD where it is not.
    NotUnicode,
}

/// How many values of a column are not as they were.
#[derive(Debug, Clone, Copy, Default)]
pub struct Notes([u64; Note::ALL.len()]);

impl Note {
    const ALL: [Self; 3] = [Self::ZeroDate, Self::Infinite, Self::NotUnicode];

    fn sentence(self, column: &str, count: u64) -> String {
        let what = match self {
            Self::ZeroDate => "values that are no day, such as 0000-00-00, are null",
            Self::Infinite => "infinite times are kept as the years 1 and 9999",
            Self::NotUnicode => "texts that are not Unicode have U+FFFD where they are not",
        };
        format!("`{column}`: {count} {what}.")
    }
}

impl Notes {
    /// Counts one more.
    pub fn count(&mut self, note: Note) {
        self.0[note as usize] += 1;
    }

    /// Whether every value is as it was.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; Note::ALL.len()]
    }

    /// A sentence for each kind that there is in a column of this name.
    pub fn sentences(self, column: &str) -> Vec<String> {
        let counted = Note::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0);
        counted.map(|(note, count)| note.sentence(column, count)).collect()
    }
}
