//! What a run without a database does about strategies that read one.

use crate::call;

fn plan(arguments: &[&str]) -> (String, String) {
    let (code, stdout, stderr) =
        call(&[&["run", "--dry-run", "--scenario", "role-demoted"], arguments].concat());
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    (stdout, stderr)
}

#[test]
fn all_without_a_database_is_all_that_need_none() {
    for arguments in [&["--strategy", "all"][..], &["--profile", "smoke"], &["--profile", "full"]] {
        let (planned, said) = plan(arguments);
        assert!(!planned.contains("postgres"), "{planned}");
        let left_out = "left out: lookup-postgres, cached-lookup-postgres, for want of a database";
        assert!(said.contains(left_out), "{arguments:?}: {said}");
        let (planned, said) = plan(&[arguments, &["--database", "postgres"]].concat());
        assert!(planned.contains("fleet   lookup-postgres ") && planned.contains("cached-lookup-postgres"));
        assert!(!said.contains("left out"), "{said}");
    }
    let (_, said) = plan(&["--strategy", "lookup"]);
    assert!(!said.contains("left out"), "nobody asked for them: {said}");
}

/// Who asks nobody is asked no policy, so that floor and control run beside whoever asks the database.
#[test]
fn who_asks_nobody_runs_beside_who_asks_the_database() {
    let asks = ["--param", "on_store_down=ask-database"];
    let (planned, _) = plan(&[&asks[..], &["--database", "postgres"]].concat());
    assert!(planned.contains("fleet   deny-list ") && planned.contains("fleet   floor "), "{planned}");
    let (planned, _) = plan(&[&asks[..], &["--strategy", "short-ttl"]].concat());
    assert!(planned.contains("fleet   short-ttl "), "{planned}");
}

#[test]
fn the_command_that_reproduces_a_run_names_its_database() {
    let command = |arguments: &[&str]| {
        let (planned, _) = plan(&[&["--json", "--strategy", "all"], arguments].concat());
        serde_json::from_str::<serde_json::Value>(&planned).unwrap()["command"].as_str().unwrap().to_owned()
    };
    assert!(command(&[]).contains("--strategy all") && !command(&[]).contains("--database"));
    let with = command(&["--database", "postgres://ann@localhost/shop"]);
    assert!(with.contains("--strategy all --database postgres://ann@localhost:5432/shop"), "{with}");
}
