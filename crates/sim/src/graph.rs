//! Which registries there are, and which links between them.

use crate::chance::Chance;
use crate::setup::EndpointSetup;

/// The most registries of one world.
pub const MOST_REGISTRIES: usize = 6;

/// Draws endpoints, and the routes between them by their places.
pub fn draw(chance: &mut Chance) -> (Vec<EndpointSetup>, Vec<(usize, usize)>) {
    let (registries, mut routes) = match chance.below(8) {
        0 | 1 => (2, vec![(0, 1)]),
        2 => (2, vec![(0, 1), (1, 0)]),
        3 => (3, ring(3)),
        4 => (3, mesh(3)),
        5 => chain(3 + chance.index(MOST_REGISTRIES - 2)),
        6 => star(3 + chance.index(2)),
        _ => {
            let size = 3 + chance.index(MOST_REGISTRIES - 2);
            any(chance, size)
        }
    };
    let mut endpoints: Vec<_> = NAMES[..registries]
        .iter()
        .map(|n| named(n, false))
        .collect();
    if chance.percent(20) {
        routes.push((chance.index(registries), registries));
        endpoints.push(named("file", true));
    }
    (endpoints, routes)
}

const NAMES: [&str; MOST_REGISTRIES] = ["a", "b", "c", "d", "e", "f"];

fn named(name: &str, is_file: bool) -> EndpointSetup {
    EndpointSetup {
        name: name.into(),
        is_file,
        strips_marks: false,
        is_embedded: false,
        stays_broken: false,
    }
}

fn ring(size: usize) -> Vec<(usize, usize)> {
    (0..size).map(|from| (from, (from + 1) % size)).collect()
}

fn mesh(size: usize) -> Vec<(usize, usize)> {
    let pairs = (0..size).flat_map(|from| (0..size).map(move |to| (from, to)));
    pairs.filter(|(from, to)| from != to).collect()
}

fn chain(size: usize) -> (usize, Vec<(usize, usize)>) {
    (size, (1..size).map(|to| (to - 1, to)).collect())
}

fn star(size: usize) -> (usize, Vec<(usize, usize)>) {
    (size, (1..size).map(|to| (0, to)).collect())
}

fn any(chance: &mut Chance, size: usize) -> (usize, Vec<(usize, usize)>) {
    let mut routes = Vec::new();
    for _ in 0..size + chance.index(3) {
        let route = (chance.index(size), chance.index(size));
        if route.0 != route.1 && !routes.contains(&route) {
            routes.push(route);
        }
    }
    if routes.is_empty() {
        routes.push((0, 1));
    }
    (size, routes)
}
