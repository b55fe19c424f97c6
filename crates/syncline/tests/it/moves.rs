//! Natives win, and applications move: nobody ever sees none, and nobody sees
//! two for long.

mod java;
mod loops;
mod natives;
