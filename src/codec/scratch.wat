;; What JavaScript is slow at: sixteen bytes at a time. `npm run wasm` makes scratch-wasm.ts of it.
(module
  ;; 64 pages of 64 KiB, laid out by scratch.ts and statsd-memory.ts (what is not used takes nothing); never more, since growing would
  ;; take the memory away from its views.
  (memory (export "memory") 64 64)

  ;; Whether `length` bytes at `a` and at `b` are the same; at least sixteen.
  (func (export "same") (param $a i32) (param $b i32) (param $length i32) (result i32)
    (local $lastOfA i32)
    (local $behind i32)
    (local.set $lastOfA (i32.sub (i32.add (local.get $a) (local.get $length)) (i32.const 16)))
    ;; How far b lies behind a, so that one position serves for both.
    (local.set $behind (i32.sub (local.get $b) (local.get $a)))
    (loop $next
      (if (i32.lt_u (local.get $a) (local.get $lastOfA))
        (then
          (if
            (v128.any_true
              (v128.xor
                (v128.load align=1 (local.get $a))
                (v128.load align=1 (i32.add (local.get $a) (local.get $behind)))))
            (then (return (i32.const 0))))
          (local.set $a (i32.add (local.get $a) (i32.const 16)))
          (br $next))))
    ;; Some of the last ones are compared twice: that is quicker than what is left over one by one.
    (i32.eqz
      (v128.any_true
        (v128.xor
          (v128.load align=1 (local.get $lastOfA))
          (v128.load align=1 (i32.add (local.get $lastOfA) (local.get $behind)))))))

  ;; Copies each piece behind the one before of the same owner.
  ;; A piece is three numbers at `pieces`: its owner's number, where it begins, its length.
  ;; `ends` has for each owner where its next piece goes to.
  (func (export "place") (param $pieces i32) (param $end i32) (param $ends i32)
    (local $owner i32)
    (local $to i32)
    (local $length i32)
    (loop $next
      (if (i32.lt_u (local.get $pieces) (local.get $end))
        (then
          (local.set $owner
            (i32.add (local.get $ends) (i32.shl (i32.load (local.get $pieces)) (i32.const 2))))
          (local.set $to (i32.load (local.get $owner)))
          (local.set $length (i32.load offset=8 (local.get $pieces)))
          (call $copy (local.get $to) (i32.load offset=4 (local.get $pieces)) (local.get $length))
          (i32.store (local.get $owner) (i32.add (local.get $to) (local.get $length)))
          (local.set $pieces (i32.add (local.get $pieces) (i32.const 12)))
          (br $next)))))

  (func $copy (param $to i32) (param $from i32) (param $length i32)
    (local $last i32)
    (local $at i32)
    (if (i32.lt_u (local.get $length) (i32.const 16))
      (then
        (memory.copy (local.get $to) (local.get $from) (local.get $length))
        (return)))
    (local.set $last (i32.sub (local.get $length) (i32.const 16)))
    (loop $next
      (if (i32.lt_s (local.get $at) (local.get $last))
        (then
          (v128.store align=1
            (i32.add (local.get $to) (local.get $at))
            (v128.load align=1 (i32.add (local.get $from) (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br $next))))
    (v128.store align=1
      (i32.add (local.get $to) (local.get $last))
      (v128.load align=1 (i32.add (local.get $from) (local.get $last)))))
)
