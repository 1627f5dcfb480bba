//! Text files of points as pandas, R, Excel, MATLAB and people write them: what is certain is read, what is likely a mistake is refused.

use mixscore::mixture::files::{Numbers, StoredPoints, read_stored_points};

use crate::hostile::Folder;

fn read(folder: &Folder, text: &str) -> Result<StoredPoints, String> {
    read_stored_points(&folder.file("x.csv", text)).map_err(|error| error.to_string())
}

#[track_caller]
fn is(folder: &Folder, text: &str, d: usize, values: &[f64]) -> Vec<String> {
    let points = read(folder, text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!((points.d, points.numbers), (d, Numbers::F64(values.to_vec())), "{text:?}");
    assert_eq!(points.n, values.len() / d);
    points.notes
}

#[track_caller]
fn refused(folder: &Folder, text: &str, why: &str) {
    match read(folder, text) {
        Err(error) => assert!(error.contains(why), "{text:?}: {error}"),
        Ok(points) => panic!("{text:?} is read as {points:?}"),
    }
}

#[test]
fn headers_of_numbers_are_no_points() {
    let folder = Folder::new();
    for text in [
        "0,1\n2.5,3.5\n2.6,3.4\n",
        "1,2\n2.5,3.5\n2.6,3.4\n",
        "2019,2020\n2.5,3.5\n2.6,3.4\n",
        "0,1,2\n5,3,9\n7,7,1\n",
        "400,410,420\n0.1,0.2,0.3\n0.2,0.1,0.3\n",
        "0\n2.5\n2.6\n",
        "\"0\",\"1\"\n2.5,3.5\n2.6,3.4\n",
        "0;1\n2.5;3.5\n",
        "# made by pandas\n0,1\n2.5,3.5\n",
    ] {
        refused(&folder, text, "looks like a header of numbers");
    }
    // A point all the same: not in order, in even steps with what follows, or with decimals.
    is(&folder, "1,5\n2.5,3.5\n", 2, &[1.0, 5.0, 2.5, 3.5]);
    is(&folder, "0\n0.5\n1\n", 1, &[0.0, 0.5, 1.0]);
    is(&folder, "5\n4.9\n5.1\n", 1, &[5.0, 4.9, 5.1]);
    is(&folder, "0.0,1.0\n2.5,3.5\n", 2, &[0.0, 1.0, 2.5, 3.5]);
    is(&folder, "0,1\n2,3\n4,5\n", 2, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    is(&folder, "1,2\n3,5\n", 2, &[1.0, 2.0, 3.0, 5.0]);
    is(&folder, "0,1\n1,0\n", 2, &[0.0, 1.0, 1.0, 0.0]);
    is(&folder, "x,y\n0,1\n2.5,3.5\n", 2, &[0.0, 1.0, 2.5, 3.5]);
}

#[test]
fn row_indices_are_no_coordinates() {
    let folder = Folder::new();
    let two = [2.5, 3.5, 2.6, 3.4];
    for text in [
        ",x,y\n0,2.5,3.5\n1,2.6,3.4\n",
        "\"\",\"x\",\"y\"\n\"1\",2.5,3.5\n\"2\",2.6,3.4\n",
        "\"x\",\"y\"\n\"1\",2.5,3.5\n\"2\",2.6,3.4\n",
        "\"x\" \"y\"\n\"1\" 2.5 3.5\n\"2\" 2.6 3.4\n",
        "Unnamed: 0,x,y\n17,2.5,3.5\n4,2.6,3.4\n",
        ",x,y\na,2.5,3.5\nb,2.6,3.4\n",
        "x,y\nMazda RX4,2.5,3.5\nDatsun 710,2.6,3.4\n",
        ",0,1\n0,2.5,3.5\n1,2.6,3.4\n",
    ] {
        let notes = is(&folder, text, 2, &two);
        assert!(notes.len() == 1 && notes[0].contains("x.csv: the first column"), "{text:?}: {notes:?}");
    }
    refused(&folder, ",x,y\n0.5,2.5,3.5\n1.5,2.6,3.4\n", "column 1 has no name");
    refused(&folder, "id,x\n1,2.5\n2,2.6\n3,2.4\n", "`id`, counts the rows");
    refused(&folder, "index,x\n0,2.5\n1,2.6\n2,2.4\n", "`index`, counts the rows");
    let notes = is(&folder, "0,2.5\n1,2.6\n2,2.4\n", 2, &[0.0, 2.5, 1.0, 2.6, 2.0, 2.4]);
    assert!(notes.len() == 1 && notes[0].contains("counts the rows"), "{notes:?}");
    assert!(is(&folder, "t,x\n0,2.5\n1,2.6\n2,2.4\n", 2, &[0.0, 2.5, 1.0, 2.6, 2.0, 2.4]).is_empty());
}

#[test]
fn decimal_commas_are_no_separators() {
    let folder = Folder::new();
    for (text, why) in [
        ("wert\n1,5\n2,25\n-0,75\n", "line 1 has 1 names and line 2 has 2 columns; are these decimal commas"),
        ("1,5\n2,05\n", "looks like a decimal comma"),
        ("x;y\n1,5;2,5\n", "Decimal commas are not read"),
        ("x\ty\n1,5\t2,5\n", "Decimal commas are not read"),
        ("\"1,5\"\n\"2,5\"\n", "decimal points"),
        ("x,y\n1,5,2,5\n", "2 names and line 2 has 4 columns"),
        ("x y\n1,5 2,5\n", "columns"),
    ] {
        refused(&folder, text, why);
    }
}

#[test]
fn separators_and_comments_of_others_are_read() {
    let folder = Folder::new();
    for text in [
        "x\ty\n1.5\t2.5\n3\t4\n",
        "1.5 2.5\n3 4\n",
        "  1.5000e+00   2.5\n  3    4  \n",
        "# two\n# lines\n1.5,2.5\n3,4\n",
        "sep=;\nx;y\n1.5;2.5\n3;4\n",
        "sep=,\r\nx,y\r\n1.5,2.5\r\n3,4\r\n",
        "\u{feff}x;y\r\n1.5;2.5\r\n3;4\r\n",
        "# x y\n1.5 2.5\n# half\n3 4\n",
        "height, cm;weight\n1.5;2.5\n3;4\n",
        "\n\nx,y\n1.5,2.5\n\n3,4\n\n",
    ] {
        is(&folder, text, 2, &[1.5, 2.5, 3.0, 4.0]);
    }
    refused(&folder, "NA,NA\n1,2\n", "`NA`");
    refused(&folder, "?\n1\n", "`?`");
}
