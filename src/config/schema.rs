//! Which settings there are: the keys of the shipped example, those that are commented out included.

use toml::{Table, Value};

use super::{ConfigError, EXAMPLE, Origin};

const PLANS: &str = "plans";

/// The known settings with a value of the right type for each.
pub(super) struct Schema {
    defaults: Table,
    all: Table,
    /// What any plan may set.
    plan: Value,
}

/// What a dotted name stands for.
pub(super) enum Known<'a> {
    /// A setting, with its value in the example.
    Setting(&'a Value),
    /// A section, which has no value itself.
    Section,
    /// Nothing.
    Nothing,
}

impl Schema {
    /// Reads the example.
    pub(super) fn new() -> Result<Self, ConfigError> {
        let defaults = parse(EXAMPLE)?;
        let all = parse(&uncommented(EXAMPLE))?;
        let mut plan = Table::new();
        for settings in all.get(PLANS).and_then(Value::as_table).into_iter().flat_map(Table::values) {
            plan.extend(settings.as_table().cloned().unwrap_or_default());
        }
        Ok(Self { defaults, all, plan: Value::Table(plan) })
    }

    /// The settings that have a default.
    pub(super) const fn defaults(&self) -> &Table {
        &self.defaults
    }

    /// Whether the setting is commented out in the example.
    pub(super) fn is_unset_by_default(&self, setting: &str) -> bool {
        lookup(&self.defaults, setting).is_none()
    }

    /// Looks a dotted name up. Plans may have any name.
    pub(super) fn find(&self, setting: &str) -> Known<'_> {
        let mut section = &self.all;
        let mut parts = setting.split('.').enumerate().peekable();
        let mut in_plans = false;
        while let Some((depth, part)) = parts.next() {
            let named_plan = depth == 1 && in_plans && !part.is_empty();
            let Some(value) = (if named_plan { Some(&self.plan) } else { section.get(part) }) else {
                return Known::Nothing;
            };
            in_plans = depth == 0 && part == PLANS;
            match (value, parts.peek()) {
                (Value::Table(inner), _) => section = inner,
                (value, None) => return Known::Setting(value),
                (_, Some(_)) => return Known::Nothing,
            }
        }
        Known::Section
    }

    /// Refuses the first key of a layer that is no setting.
    pub(super) fn check(&self, layer: &Table, origin: &Origin) -> Result<(), ConfigError> {
        self.check_section(layer, "", origin)
    }

    fn check_section(&self, layer: &Table, section: &str, origin: &Origin) -> Result<(), ConfigError> {
        for (key, value) in layer {
            let setting = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
            // A dot within a quoted key would otherwise be taken for a section's end.
            let known = if key.contains('.') { Known::Nothing } else { self.find(&setting) };
            match (known, value) {
                (Known::Setting(_), _) => {}
                (Known::Section, Value::Table(inner)) => self.check_section(inner, &setting, origin)?,
                (known, _) => return Err(self.refuse(&setting, origin.clone(), &known)),
            }
        }
        Ok(())
    }

    /// The error for a name that cannot be given a value.
    pub(super) fn refuse(&self, setting: &str, origin: Origin, known: &Known<'_>) -> ConfigError {
        let setting = setting.to_owned();
        match known {
            Known::Section => {
                ConfigError::Invalid { setting, origin, reason: "it is a section and has no value itself".to_owned() }
            }
            Known::Setting(_) | Known::Nothing => {
                let nearest = self.nearest(&setting);
                ConfigError::Unknown { setting, origin, nearest }
            }
        }
    }

    /// The known name that takes the fewest changes, if they are few. The right name in the wrong section is one.
    fn nearest(&self, unknown: &str) -> Option<String> {
        let (_, last) = unknown.rsplit_once('.').unwrap_or(("", unknown));
        let distance = |known: &str| {
            let moved = known.rsplit_once('.').is_some_and(|(_, name)| name == last);
            if moved { 1 } else { strsim::damerau_levenshtein(unknown, known) }
        };
        let mut names = Vec::new();
        collect_names(&self.all, "", &mut names);
        // A plan of the operator's own has the settings of the others.
        if let Some((plan, _)) = unknown.strip_prefix("plans.").and_then(|rest| rest.split_once('.'))
            && let Value::Table(settings) = &self.plan
        {
            collect_names(settings, &format!("{PLANS}.{plan}"), &mut names);
        }
        // The own section comes first among equals.
        let section_of = |name: &str| name.rsplit_once('.').map(|(section, _)| section.to_owned());
        let own = section_of(unknown);
        let best = names.into_iter().min_by_key(|name| (distance(name), section_of(name) != own))?;
        (distance(&best) <= 2.max(last.len() / 3)).then_some(best)
    }
}

/// The example with each `#name = value` line made a setting.
pub(super) fn uncommented(example: &str) -> String {
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|first: char| first.is_ascii_lowercase()) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads TOML.
pub(super) fn parse(text: &str) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        ConfigError::Syntax { line, message: error.message().replace('\n', ", ") }
    })
}

/// The value at a dotted name.
pub(super) fn lookup<'a>(table: &'a Table, setting: &str) -> Option<&'a Value> {
    match setting.split_once('.') {
        None => table.get(setting),
        Some((section, rest)) => lookup(table.get(section)?.as_table()?, rest),
    }
}

/// The dotted names of all sections and settings of a table.
pub(super) fn collect_names(table: &Table, section: &str, names: &mut Vec<String>) {
    for (key, value) in table {
        let name = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        if let Value::Table(inner) = value {
            collect_names(inner, &name, names);
        }
        names.push(name);
    }
}
