//! The macros that make a component of a type.
//!
//! An export macro is all that a plugin's binary target holds. It keeps the one
//! instance and puts the contract's functions in front of it; built for the
//! host instead, the binary only says what it is.

/// Makes a component of a [`Source`](crate::Source).
#[macro_export]
macro_rules! export_source {
    ($plugin:ty) => {
        $crate::__export!($plugin, source, export_source_part);
    };
}

/// Makes a component of a [`Sink`](crate::Sink).
#[macro_export]
macro_rules! export_sink {
    ($plugin:ty) => {
        $crate::__export!($plugin, sink, export_sink_part);
    };
}

/// Makes a component of a [`Processor`](crate::Processor).
#[macro_export]
macro_rules! export_processor {
    ($plugin:ty) => {
        $crate::__export!($plugin, processor, export_processor_part);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty, $role:ident, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;

            impl $crate::export::Slot for Exported {
                type Plugin = $plugin;

                fn slot() -> &'static $crate::export::Instance<$plugin> {
                    ::std::thread_local! {
                        static SLOT: ::std::cell::RefCell<::std::option::Option<$plugin>> =
                            const { ::std::cell::RefCell::new(None) };
                    }
                    &SLOT
                }
            }

            $crate::bindings::describe::export_describe_part!(
                Exported with_types_in $crate::bindings::describe
            );
            $crate::bindings::$role::$export!(
                Exported with_types_in $crate::bindings::$role
            );
        };

        fn main() {
            #[cfg(not(target_arch = "wasm32"))]
            ::std::println!("a plugin: longshore-plugin-build makes a component of it");
        }
    };
}

#[cfg(target_arch = "wasm32")]
pub use guest::{Instance, Slot};

#[cfg(target_arch = "wasm32")]
mod guest {
    //! The contract's functions over one instance of a plugin.

    use std::cell::RefCell;
    use std::sync::Once;
    use std::thread::LocalKey;
    use std::time::Duration;

    use crate::bindings::describe::exports::longshore::connector::describe;
    use crate::bindings::processor::exports::longshore::connector::processor;
    use crate::bindings::sink::exports::longshore::connector::sink;
    use crate::bindings::source::exports::longshore::connector::source;
    use crate::{
        Config, ConfigError, Fault, Mark, Partition, Plugin, Polled, Processed, Processor,
        Progress, Records, Reject, Sink, Source, Task,
    };

    /// The one instance of a component; none before `open`.
    pub type Instance<P> = LocalKey<RefCell<Option<P>>>;

    /// Where a component keeps its instance.
    pub trait Slot {
        /// The plugin.
        type Plugin: Plugin;
        /// Its instance.
        fn slot() -> &'static Instance<Self::Plugin>;
    }

    /// Passes a panic's message on, which would be lost with the trap.
    fn hook() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            std::panic::set_hook(Box::new(|panic| crate::host::last_words(&panic.to_string())));
        });
    }

    /// Calls the open instance.
    fn with<S: Slot, R>(call: impl FnOnce(&mut S::Plugin) -> R) -> R {
        hook();
        S::slot().with_borrow_mut(|slot| {
            call(slot.as_mut().expect("the host opens a plugin before it calls it"))
        })
    }

    fn open<S: Slot>(
        config: &str,
        make: impl FnOnce(&Config) -> Result<S::Plugin, Fault>,
    ) -> Result<(), Fault> {
        hook();
        let plugin = make(&Config::from_json(config)?)?;
        S::slot().set(Some(plugin));
        Ok(())
    }

    impl<S: Slot> describe::Guest for S {
        fn about() -> describe::Manifest {
            let about = S::Plugin::ABOUT;
            describe::Manifest {
                name: about.name.to_owned(),
                version: about.version.to_owned(),
                summary: about.summary.to_owned(),
                input: S::Plugin::INPUT,
                output: S::Plugin::OUTPUT,
            }
        }

        fn config_schema() -> String {
            hook();
            S::Plugin::config_schema().to_string()
        }

        fn validate(config: String) -> Vec<ConfigError> {
            hook();
            match Config::from_json(&config) {
                Ok(config) => S::Plugin::validate(&config),
                Err(fault) => vec![ConfigError::at("", &fault.detail().message)],
            }
        }
    }

    impl<S: Slot<Plugin: Source>> source::Guest for S {
        fn plan(config: String, max_tasks: u32) -> Result<Vec<Task>, Fault> {
            hook();
            S::Plugin::plan(&Config::from_json(&config)?, max_tasks)
        }

        fn open(config: String, task: Task) -> Result<(), Fault> {
            open::<S>(&config, |config| S::Plugin::open(config, &task))
        }

        fn poll(wait_ms: u32, max_bytes: u32) -> Result<Polled, Fault> {
            let wait = Duration::from_millis(wait_ms.into());
            with::<S, _>(|source| source.poll(wait, max_bytes))
        }

        fn committed(polls: u64) -> Result<(), Fault> {
            with::<S, _>(|source| source.committed(polls))
        }

        fn close() {
            S::slot().take().map(Source::close);
        }
    }

    impl<S: Slot<Plugin: Sink>> sink::Guest for S {
        fn open(config: String) -> Result<(), Fault> {
            open::<S>(&config, S::Plugin::open)
        }

        fn assigned(partitions: Vec<Partition>) -> Result<Vec<Mark>, Fault> {
            with::<S, _>(|sink| sink.assigned(&partitions))
        }

        fn revoked(partitions: Vec<Partition>) -> Result<Progress, Fault> {
            with::<S, _>(|sink| sink.revoked(&partitions))
        }

        fn put(from: Partition, topic: String, records: Records) -> Result<Vec<Reject>, Fault> {
            with::<S, _>(|sink| sink.put(&from, &topic, records))
        }

        fn tick() -> Result<Progress, Fault> {
            with::<S, _>(Sink::tick)
        }

        fn drain() -> Result<Progress, Fault> {
            with::<S, _>(Sink::drain)
        }

        fn close() {
            S::slot().take().map(Sink::close);
        }
    }

    impl<S: Slot<Plugin: Processor>> processor::Guest for S {
        fn open(config: String, partition: u32) -> Result<(), Fault> {
            open::<S>(&config, |config| S::Plugin::open(config, partition))
        }

        fn process(topic: String, records: Records) -> Result<Processed, Fault> {
            with::<S, _>(|processor| processor.process(&topic, &records))
        }

        fn close() {
            S::slot().take().map(Processor::close);
        }
    }
}
