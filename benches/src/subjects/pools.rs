//! Pools of resources: each takes one that is idle, touches it, and gives it back.

use super::waits::at_once;
use crate::subject::{Payload, Role, Subject, repeated};
use quiescent_core::Wait;
use quiescent_core::sync::{Blocking, GenericPool, PoolConfig};
use std::convert::Infallible;

const SIZE: u32 = 4;

/// Makes payloads for deadpool.
struct DeadpoolMaker;

impl deadpool::managed::Manager for DeadpoolMaker {
    type Type = Payload;
    type Error = Infallible;

    async fn create(&self) -> Result<Payload, Infallible> {
        Ok(Payload::default())
    }

    async fn recycle(
        &self,
        _payload: &mut Payload,
        _metrics: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

/// Makes payloads for r2d2.
struct R2d2Maker;

impl r2d2::ManageConnection for R2d2Maker {
    type Connection = Payload;
    type Error = std::io::Error;

    fn connect(&self) -> std::io::Result<Payload> {
        Ok(Payload::default())
    }

    fn is_valid(&self, _payload: &mut Payload) -> std::io::Result<()> {
        Ok(())
    }

    fn has_broken(&self, _payload: &mut Payload) -> bool {
        false
    }
}

fn ours() -> GenericPool<Blocking<impl Fn() -> Result<Payload, Infallible> + Send + Sync>> {
    GenericPool::new(Blocking(|| Ok(Payload::default())), PoolConfig::new(SIZE)).expect("these are allowed")
}

fn deadpool() -> deadpool::managed::Pool<DeadpoolMaker> {
    let builder = deadpool::managed::Pool::builder(DeadpoolMaker).max_size(SIZE as usize);
    builder.build().expect("these are allowed")
}

fn r2d2() -> r2d2::Pool<R2d2Maker> {
    r2d2::Pool::builder().max_size(SIZE).test_on_check_out(false).build(R2d2Maker).expect("these are allowed")
}

pub fn subjects() -> Vec<Box<dyn Subject>> {
    vec![
        Box::new(repeated(
            "r2d2 get",
            Role::Rival,
            [r2d2(), r2d2()],
            || (),
            |pool, ()| pool.get().expect("one is idle").touch(),
        )),
        Box::new(repeated(
            "deadpool get",
            Role::Rival,
            [deadpool(), deadpool()],
            || (),
            |pool, ()| at_once(pool.get()).expect("one is idle").touch(),
        )),
        Box::new(repeated(
            "GenericPool acquire",
            Role::Ours,
            [ours(), ours()],
            || (),
            |pool, ()| pool.acquire(Wait::FOREVER).expect("one is idle").touch(),
        )),
        Box::new(repeated(
            "GenericPool acquire, future",
            Role::Ours,
            [ours(), ours()],
            || (),
            |pool, ()| at_once(pool.acquire_async()).expect("one is idle").touch(),
        )),
    ]
}
