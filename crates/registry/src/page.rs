//! Pages of lists, counted as Nacos counts them.

/// One page of a list: pages count from 1, a page before that is the first
/// one, and one past the end is empty (2.x, where it cuts pages right).
pub(crate) fn page<T>(list: &[T], page_no: i64, page_size: i64) -> &[T] {
    let size = usize::try_from(page_size).unwrap_or(0);
    let pages_before = usize::try_from(page_no.saturating_sub(1)).unwrap_or(0);
    let start = pages_before.saturating_mul(size).min(list.len());
    let end = start.saturating_add(size).min(list.len());
    &list[start..end]
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn pages_count_from_one_and_end_with_an_empty_one() {
        let list = [1, 2, 3, 4, 5];
        assert_eq!(page(&list, 1, 2), [1, 2]);
        assert_eq!(page(&list, 3, 2), [5]);
        assert_eq!(page(&list, 4, 2), [0; 0]);
        assert_eq!(page(&list, 0, 2), [1, 2]);
        assert_eq!(page(&list, -7, 2), [1, 2]);
        assert_eq!(page(&list, 1, 0), [0; 0]);
        assert_eq!(page(&list, i64::MAX, i64::MAX), [0; 0]);
    }
}
