//! Runs between clusters that are 10⁷σ apart: the coordinates change on the way, and neither cuts nor kills may show.

use crate::place::{Place, array, code, same_results, text, with_sets};

/// Students a fifth of the way from one cluster to the next, and beside them.
const SETS: [&str; 5] = [
    "teacher={ kind = \"line\", components = 3, features = 2, separation = 1e7 }",
    "student={ components = 3, start = { scheme = \"given\", means = [[-8e6, 1.0], [0.5, 2.0], [1.1e7, -1.0]] } }",
    "descent.step_size=0.3",
    "descent.steps=3000",
    "log.every=100",
];

fn arguments<'a>(device: &'a str, folder: &'a str) -> Vec<&'a str> {
    with_sets(folder, &SETS).into_iter().map(|word| if word == "cpu" { device } else { word }).collect()
}

#[test]
fn changes_of_coordinates_do_not_show() {
    let place = Place::new();
    for device in ["cpu", "reference"] {
        let whole = format!("{device}-whole");
        let begin = std::time::Instant::now();
        let output = place.mixscore(&arguments(device, &whole));
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let took = begin.elapsed();
        let (means, teacher) =
            (array(&place.path(&whole).join("student.npz"), "means"), array(&place.path(&whole).join("teacher.npz"), "means"));
        for (got, want) in means.values.iter().zip(&teacher.values) {
            assert!((got - want).abs() <= 1e-6, "{device}: {got} {want}"); // digits of 1e7 in double precision are 2e-9
        }
        for trial in 1..6u32 {
            let folder = format!("{device}-{trial}");
            let mut child = place.command(&arguments(device, &folder)).spawn().unwrap();
            std::thread::sleep(took * trial / 6);
            child.kill().unwrap();
            child.wait().unwrap();
            if !place.path(&folder).exists() {
                continue;
            }
            let output = place.mixscore(&["resume", &folder, "--quiet"]);
            assert_eq!(code(&output), 0, "{}", text(&output.stderr));
            same_results(&place.path(&whole), &place.path(&folder)).unwrap_or_else(|what| panic!("{device}, trial {trial}: {what}"));
        }
    }
}
