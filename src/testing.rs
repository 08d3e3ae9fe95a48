//! What tests of every layer share: how much chance readers are fed, enough for each run of CI, and as many times more as
//! somebody asks for by `CLARIBI_TEST_FUZZ_FACTOR`.

use proptest::prelude::ProptestConfig;

/// So many cases, or as many times more as is asked for.
pub fn cases(count: u32) -> ProptestConfig {
    let asked = std::env::var_os("CLARIBI_TEST_FUZZ_FACTOR");
    let factor: u32 = asked.map_or(1, |text| text.to_str().unwrap().parse().unwrap());
    ProptestConfig::with_cases(count.saturating_mul(factor))
}
