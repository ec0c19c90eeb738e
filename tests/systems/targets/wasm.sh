# A standard library and linker for wasm32-unknown-unknown: the active
# toolchain's own, else what rustup adds, else Debian's rustc-web, from whose
# sources plugins/build builds one.
# shellcheck shell=bash

wasm_triple=wasm32-unknown-unknown

active_toolchain_has_wasm() {
    local libraries
    libraries=$(rustc --print target-libdir --target "$wasm_triple" 2>/dev/null) &&
        compgen -G "$libraries/libstd-*.rlib" >/dev/null
}

debian_has_wasm() {
    [[ -x /usr/bin/rustc ]] && has wasm-ld-22 && compgen -G '/usr/src/rustc-*' >/dev/null
}

install_wasm() {
    active_toolchain_has_wasm && return
    debian_has_wasm && return
    if has rustup && [[ ${RUSTUP_AUTO_INSTALL:-1} != 0 ]]; then
        say "adding the target $wasm_triple to the active Rust toolchain"
        rustup target add "$wasm_triple" >/dev/null 2>&1 && active_toolchain_has_wasm && return
        say "rustup could not add it; taking Debian's packages"
    fi
    apt_install rustc-web rust-web-src lld-22
}
