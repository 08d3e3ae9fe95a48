//! The data: the sandbox's flights, and sales that are the same in every run.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::Failure;

const REGIONS: [&str; 8] = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];
const CUSTOMERS: u64 = 200_000;
const PRODUCTS: u64 = 1_000;
const DAYS: u64 = 1_096;

/// The flights and the airlines, unpacked.
pub fn flights(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sandbox");
    let unpacked = ["flights", "airlines"].map(|name| {
        let target = directory.join(format!("{name}.csv"));
        zstd::stream::copy_decode(File::open(assets.join(format!("{name}.csv.zst")))?, File::create(&target)?)?;
        Ok(target)
    });
    unpacked.into_iter().collect()
}

/// Sales of three years, and the products that were sold.
pub fn generate(directory: &Path, rows: u64) -> Result<Vec<PathBuf>, Failure> {
    let (sales, products) = (directory.join("sales.csv"), directory.join("products.csv"));
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut out = BufWriter::new(File::create(&sales)?);
    writeln!(out, "id,day,region,customer,product,quantity,amount,note")?;
    for id in 0..rows {
        let (year, month, day) = date(chance.below(DAYS));
        let region = REGIONS[usize::try_from(chance.below(8))?];
        let (customer, product, quantity) = (chance.below(CUSTOMERS), chance.below(PRODUCTS), 1 + chance.below(9));
        let cents = 100 + chance.below(99_900);
        // Every eighth has no note.
        let note = if chance.below(8) == 0 { String::new() } else { format!("order {}", chance.below(1_000_000)) };
        writeln!(
            out,
            "{id},{year}-{month:02}-{day:02},{region},c{customer},p{product},{quantity},{}.{:02},{note}",
            cents / 100,
            cents % 100
        )?;
    }
    out.flush()?;
    let mut out = BufWriter::new(File::create(&products)?);
    writeln!(out, "product,category")?;
    for product in 0..PRODUCTS {
        writeln!(out, "p{product},category {}", product % 25)?;
    }
    out.flush()?;
    Ok(vec![sales, products])
}

/// A day by its number since 2023-01-01.
fn date(mut day: u64) -> (u64, u64, u64) {
    for year in 2023.. {
        let leap = u64::from(year % 4 == 0);
        let lengths = [31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, length) in (1..).zip(lengths) {
            if day < length {
                return (year, month, day + 1);
            }
            day -= length;
        }
    }
    (0, 0, 0)
}

/// Marsaglia's xorshift: no secrets depend on it.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}
