use proptest::prelude::*;

use super::*;

const START: i64 = 1_800_000_000_000;

fn hourly(limit: u32) -> Limits {
    Limits { hour: Some(limit), ..Limits::default() }
}

fn ask(set: &mut WindowSet, now_ms: i64, limits: &Limits) -> Verdict {
    set.admit(now_ms, Class::General, Surface::Other, limits).verdict
}

/// The rule in its plainest form: all accepted requests, counted one by one.
#[derive(Default)]
struct Naive {
    accepted: Vec<(i64, Class, Surface)>,
}

impl Naive {
    fn inside(&self, name: WindowName, now_ms: i64) -> Vec<i64> {
        let counts = |class, surface| match name {
            WindowName::Minute => surface == Surface::Platform,
            WindowName::Hour | WindowName::Day => true,
            WindowName::GenerationHour | WindowName::GenerationDay => class == Class::Generation,
        };
        let live = |at: i64| at + name.length_ms() > now_ms;
        self.accepted.iter().filter(|&&(at, class, surface)| counts(class, surface) && live(at)).map(|x| x.0).collect()
    }

    fn headroom(&self, now_ms: i64, limits: &Limits) -> Headroom {
        Headroom(WindowName::ALL.map(|name| {
            let limit = limits.get(name)?;
            let inside = self.inside(name, now_ms);
            let used = u32::try_from(inside.len()).unwrap();
            let remaining = limit.saturating_sub(used);
            // The first instant at which a plain recount finds more room.
            let risen =
                |at: &i64| limit.saturating_sub(u32::try_from(self.inside(name, *at).len()).unwrap()) > remaining;
            let reset_at_ms = match (limit, used) {
                (0, _) => now_ms + name.length_ms(),
                (_, 0) => now_ms,
                _ => inside.iter().map(|at| at + name.length_ms()).find(risen).unwrap(),
            };
            Some(Room { limit, remaining, reset_at_ms })
        }))
    }

    fn admit(&mut self, now_ms: i64, class: Class, surface: Surface, limits: &Limits) -> bool {
        let full = WindowName::ALL.into_iter().any(|name| {
            let concerned = match name {
                WindowName::Minute => surface == Surface::Platform,
                WindowName::Hour | WindowName::Day => true,
                WindowName::GenerationHour | WindowName::GenerationDay => class == Class::Generation,
            };
            let limit = limits.get(name).map(|limit| usize::try_from(limit).unwrap());
            concerned && limit.is_some_and(|limit| self.inside(name, now_ms).len() >= limit)
        });
        if !full {
            self.accepted.push((now_ms, class, surface));
        }
        !full
    }
}

#[derive(Debug, Clone)]
struct Step {
    advance_ms: i64,
    class: Class,
    surface: Surface,
    limits: Limits,
}

/// Advances that meet the ends of the windows exactly, miss them by one, or are anything.
fn advance() -> impl Strategy<Value = i64> {
    let edge = prop::sample::select(vec![MINUTE_MS, HOUR_MS, DAY_MS, HOUR_MS / 2, DAY_MS / 3]);
    prop_oneof![
        6 => 0..3i64,
        4 => 0..MINUTE_MS,
        3 => (edge, -1..=1i64).prop_map(|(edge, off)| edge + off),
        1 => -HOUR_MS..0i64,
        1 => 0..100 * DAY_MS,
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = || prop::option::weighted(0.8, prop_oneof![0..6u32, 6..90u32]);
    (limit(), limit(), limit(), limit(), limit()).prop_map(|(minute, hour, day, generation_hour, generation_day)| {
        Limits { minute, hour, day, generation_hour, generation_day }
    })
}

fn trace() -> impl Strategy<Value = Vec<Step>> {
    let few_limits = prop::collection::vec(limits(), 1..4);
    let step = (
        advance(),
        prop::sample::select(vec![Class::General, Class::Generation]),
        prop::sample::select(vec![Surface::Platform, Surface::Other]),
        any::<prop::sample::Index>(),
    );
    (few_limits, prop::collection::vec(step, 1..120)).prop_map(|(choices, steps)| {
        let step = |(advance_ms, class, surface, index): (i64, Class, Surface, prop::sample::Index)| {
            let limits = *index.get(&choices);
            Step { advance_ms, class, surface, limits }
        };
        steps.into_iter().map(step).collect()
    })
}

/// Traces that are tried of each property: `just limiter-traces` tries a million.
fn traces() -> ProptestConfig {
    let asked = std::env::var_os("CLARIBI_TEST_LIMITER_TRACES");
    ProptestConfig::with_cases(asked.map_or(400, |text| text.to_str().unwrap().parse().unwrap()))
}

proptest! {
    #![proptest_config(traces())]

    #[test]
    fn every_decision_and_every_figure_is_that_of_a_plain_recount(trace in trace()) {
        let (mut set, mut naive, mut clock) = (WindowSet::new(), Naive::default(), START);
        for Step { advance_ms, class, surface, limits } in trace {
            clock += advance_ms;
            let now_ms = naive.accepted.last().map_or(clock, |newest| newest.0.max(clock));
            prop_assert_eq!(set.peek(clock, &limits), naive.headroom(now_ms, &limits));
            let answer = set.admit(clock, class, surface, &limits);
            let admitted = naive.admit(now_ms, class, surface, &limits);
            prop_assert_eq!(answer.verdict == Verdict::Admitted, admitted);
            prop_assert_eq!(answer.at_ms, now_ms);
            prop_assert_eq!(answer.headroom, naive.headroom(now_ms, &limits));
        }
    }

    #[test]
    fn a_retry_fits_at_the_instant_named_and_not_a_millisecond_before(trace in trace()) {
        let (mut accepted, mut clock) = (Vec::new(), START);
        let mut set = WindowSet::new();
        for Step { advance_ms, class, surface, limits } in trace {
            clock += advance_ms;
            let answer = set.admit(clock, class, surface, &limits);
            let Verdict::Refused { window, retry_at_ms } = answer.verdict else {
                accepted.push((answer.at_ms, class, surface));
                continue;
            };
            if WindowName::ALL.into_iter().any(|name| limits.get(name) == Some(0)) {
                continue;
            }
            prop_assert!(window.concerns(class, surface));
            let asked_at = |at: i64| {
                let mut again = WindowSet::new();
                accepted.iter().for_each(|&(at, class, surface)| again.replay(at, class, surface));
                again.admit(at, class, surface, &limits).verdict
            };
            prop_assert!(asked_at(retry_at_ms - 1) != Verdict::Admitted);
            prop_assert_eq!(asked_at(retry_at_ms), Verdict::Admitted);
        }
    }

    #[test]
    fn a_coarse_set_admits_none_too_many_and_holds_on_for_a_minute_at_most(
        trace in trace(),
        made_coarse in any::<prop::sample::Index>(),
    ) {
        let (mut set, mut naive, mut clock) = (WindowSet::new(), Naive::default(), START);
        let made_coarse = made_coarse.index(trace.len());
        for (step, Step { advance_ms, class, surface, limits }) in trace.into_iter().enumerate() {
            // Steady time never goes back, and folding relies on it.
            clock += advance_ms.max(0);
            if step == made_coarse {
                set.set_precision(Precision::Coarse, clock);
            }
            let now_ms = naive.accepted.last().map_or(clock, |newest| newest.0.max(clock));
            let (told, exact) = (set.peek(clock, &limits), naive.headroom(now_ms, &limits));
            for name in WindowName::ALL {
                let (Some(told), Some(exact)) = (told.get(name), exact.get(name)) else { continue };
                if name.length_ms() <= HOUR_MS {
                    prop_assert_eq!(told, exact);
                    continue;
                }
                let late = naive.inside(name, now_ms - MINUTE_MS).len();
                prop_assert!(told.remaining <= exact.remaining);
                prop_assert!(told.remaining >= told.limit.saturating_sub(u32::try_from(late).unwrap()));
            }
            if set.admit(clock, class, surface, &limits).verdict == Verdict::Admitted {
                prop_assert!(naive.admit(now_ms, class, surface, &limits));
            }
        }
    }

    #[test]
    fn a_replayed_history_gives_the_same_windows(trace in trace(), limits in limits()) {
        let (mut set, mut again, mut clock) = (WindowSet::new(), WindowSet::new(), START);
        for Step { advance_ms, class, surface, limits } in trace {
            clock += advance_ms;
            let answer = set.admit(clock, class, surface, &limits);
            if answer.verdict == Verdict::Admitted {
                again.replay(answer.at_ms, class, surface);
            }
        }
        prop_assert_eq!(set.peek(clock, &limits), again.peek(clock, &limits));
    }
}

#[test]
fn a_request_exactly_one_length_later_is_admitted_and_one_millisecond_earlier_is_not() {
    let mut set = WindowSet::new();
    assert_eq!(ask(&mut set, START, &hourly(1)), Verdict::Admitted);
    let refused = Verdict::Refused { window: WindowName::Hour, retry_at_ms: START + HOUR_MS };
    assert_eq!(ask(&mut set, START + HOUR_MS - 1, &hourly(1)), refused);
    assert_eq!(ask(&mut set, START + HOUR_MS, &hourly(1)), Verdict::Admitted);
}

#[test]
fn an_hourly_job_that_uses_its_whole_limit_is_never_refused() {
    let mut set = WindowSet::new();
    for hour in 0..30 {
        for call in 0..60 {
            assert_eq!(ask(&mut set, START + hour * HOUR_MS + call * 10, &hourly(60)), Verdict::Admitted);
        }
        assert_ne!(ask(&mut set, START + hour * HOUR_MS + 600, &hourly(60)), Verdict::Admitted);
    }
}

#[test]
fn a_refused_generation_consumes_nothing_in_the_general_windows() {
    let limits = Limits { hour: Some(10), generation_hour: Some(1), ..Limits::default() };
    let mut set = WindowSet::new();
    set.admit(START, Class::Generation, Surface::Other, &limits);
    for later in 1..50 {
        set.admit(START + later, Class::Generation, Surface::Other, &limits);
    }
    assert_eq!(set.peek(START + 50, &limits).get(WindowName::Hour).unwrap().remaining, 9);
}

#[test]
fn a_lowered_limit_counts_what_was_admitted_under_the_higher_one() {
    let mut set = WindowSet::new();
    for later in 0..5 {
        ask(&mut set, START + later, &hourly(5));
    }
    let refused = Verdict::Refused { window: WindowName::Hour, retry_at_ms: START + 3 + HOUR_MS };
    assert_eq!(ask(&mut set, START + 10, &hourly(2)), refused);
    assert_eq!(ask(&mut set, START + 10, &hourly(6)), Verdict::Admitted);
}

#[test]
fn the_refusing_window_with_the_latest_retry_is_named() {
    let limits = Limits { hour: Some(1), day: Some(1), ..Limits::default() };
    let mut set = WindowSet::new();
    ask(&mut set, START, &limits);
    let refused = Verdict::Refused { window: WindowName::Day, retry_at_ms: START + DAY_MS };
    assert_eq!(ask(&mut set, START + 1, &limits), refused);
}

#[test]
fn the_reset_stands_still_between_requests() {
    let mut set = WindowSet::new();
    ask(&mut set, START, &hourly(5));
    let reset = |set: &WindowSet, at| set.peek(at, &hourly(5)).get(WindowName::Hour).unwrap().reset_at_ms;
    assert_eq!(reset(&set, START + 1), START + HOUR_MS);
    assert_eq!(reset(&set, START + HOUR_MS - 1), START + HOUR_MS);
    ask(&mut set, START + 7, &hourly(5));
    assert_eq!(reset(&set, START + 8), START + HOUR_MS);
}

#[test]
fn a_clock_that_goes_back_gives_no_quota_and_locks_nobody_out_for_longer() {
    let mut set = WindowSet::new();
    ask(&mut set, START, &hourly(2));
    let back = set.admit(START - DAY_MS, Class::General, Surface::Other, &hourly(2));
    assert_eq!((back.verdict, back.at_ms), (Verdict::Admitted, START));
    let refused = Verdict::Refused { window: WindowName::Hour, retry_at_ms: START + HOUR_MS };
    assert_eq!(ask(&mut set, START - DAY_MS, &hourly(2)), refused);
    assert_eq!(ask(&mut set, START + HOUR_MS, &hourly(2)), Verdict::Admitted);
}

#[test]
fn years_of_steady_use_keep_only_the_last_day() {
    let limits = Limits { hour: Some(10), day: Some(100), ..Limits::default() };
    let mut set = WindowSet::new();
    for hour in 0..24 * 365 * 3 {
        assert_eq!(ask(&mut set, START + hour * HOUR_MS, &limits), Verdict::Admitted);
    }
    assert!(set.general.offsets.len() <= 25);
    assert!(set.bytes() <= 4 << 10);
}

#[test]
fn a_huge_limit_allocates_nothing_up_front_and_an_expired_burst_is_given_back() {
    let limits = hourly(u32::MAX);
    let mut set = WindowSet::new();
    ask(&mut set, START, &limits);
    assert!(set.bytes() <= 1 << 10);
    for later in 0..100_000 {
        ask(&mut set, START + later, &limits);
    }
    ask(&mut set, START + 2 * DAY_MS, &limits);
    assert!(set.bytes() <= 1 << 10);
}

#[test]
fn a_coarse_day_of_any_number_of_requests_takes_eleven_kibibytes_beside_the_last_hour() {
    let limits = Limits { hour: Some(60_000), day: Some(u32::MAX), ..Limits::default() };
    let mut set = WindowSet::new();
    for later in 0..100_000 {
        ask(&mut set, START + later * 700, &limits);
    }
    assert!(set.bytes() > 400_000, "{}", set.bytes());
    let now_ms = START + 100_000 * 700;
    set.set_precision(Precision::Coarse, now_ms);
    let hour = 4 * 2 * 2 * 3_600_000 / 700;
    assert!(set.bytes() < hour + (33 << 10), "{}", set.bytes());
    for later in 100_000..160_000 {
        ask(&mut set, START + later * 700, &limits);
    }
    assert!(set.bytes() < hour + (33 << 10), "{}", set.bytes());
}

#[test]
fn fifty_days_of_steady_coarse_use_count_right() {
    let limits = Limits { day: Some(1_000), ..Limits::default() };
    let mut set = WindowSet::new();
    set.set_precision(Precision::Coarse, START);
    for later in 0..24 * 50 * 4 {
        let answer = set.admit(START + later * HOUR_MS / 4, Class::General, Surface::Other, &limits);
        let used = 1_000 - answer.headroom.get(WindowName::Day).unwrap().remaining;
        assert_eq!(i64::from(used), (later + 1).min(24 * 4), "after {later} quarters of an hour");
    }
}

#[test]
fn callers_without_limits_keep_a_bounded_history() {
    let mut set = WindowSet::new();
    for later in 0..200_000 {
        set.admit(START + later, Class::General, Surface::Other, &Limits::default());
    }
    assert_eq!(set.general.offsets.len(), KEPT);
}

#[test]
fn a_minute_window_counts_the_platform_face_alone() {
    let limits = Limits { minute: Some(1), ..Limits::default() };
    let mut set = WindowSet::new();
    for _ in 0..3 {
        assert_eq!(set.admit(START, Class::General, Surface::Other, &limits).verdict, Verdict::Admitted);
    }
    assert_eq!(set.admit(START, Class::General, Surface::Platform, &limits).verdict, Verdict::Admitted);
    assert_ne!(set.admit(START, Class::General, Surface::Platform, &limits).verdict, Verdict::Admitted);
    assert_eq!(set.admit(START, Class::General, Surface::Other, &limits).verdict, Verdict::Admitted);
}
