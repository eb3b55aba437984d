//! Handles as keys of a table.

use crate::subject::{Payload, Role, Subject, repeated};
use dashmap::DashMap;
use ffi_support::{ConcurrentHandleMap, HandleError};
use sharded_slab::Slab;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub fn subjects() -> Vec<Box<dyn Subject>> {
    let handles = ConcurrentHandleMap::new();
    let of_handles = [handles.insert(Payload::default()), handles.insert(Payload::default())];

    let slab = Slab::new();
    let of_slab = [0, 1].map(|_| slab.insert(Payload::default()).expect("there is room"));

    let keys = [1_u64, 2];
    let sharded: DashMap<u64, Arc<Payload>> = keys.iter().map(|&key| (key, Arc::default())).collect();
    let locked: HashMap<u64, Arc<Payload>> = keys.iter().map(|&key| (key, Arc::default())).collect();
    let locked = Mutex::new(locked);

    vec![
        Box::new(repeated(
            "ffi-support handle map",
            Role::Rival,
            of_handles,
            || (),
            move |&handle, ()| {
                handles.get(handle, |object| Ok::<_, HandleError>(object.touch())).expect("it is in the map")
            },
        )),
        Box::new(repeated(
            "sharded-slab get",
            Role::Rival,
            of_slab,
            || (),
            move |&key, ()| slab.get(key).expect("it is in the slab").touch(),
        )),
        Box::new(repeated(
            "dashmap + Arc",
            Role::Rival,
            keys,
            || (),
            move |key, ()| {
                let object = sharded.get(key).map(|entry| Arc::clone(&entry));
                object.expect("it is in the map").touch()
            },
        )),
        Box::new(repeated(
            "Mutex<HashMap> + Arc",
            Role::Rival,
            keys,
            || (),
            move |key, ()| {
                let object = locked.lock().expect("no panic").get(key).cloned();
                object.expect("it is in the map").touch()
            },
        )),
    ]
}
