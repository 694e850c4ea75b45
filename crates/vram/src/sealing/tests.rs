use super::demanded;
use crate::evidence::Timing;
use crate::{Code, DriverModel, Evidence, Policy, Verdict};

fn evidence(verdict: Verdict, shown: Option<f64>) -> Evidence {
    Evidence {
        reasons: vec!["time did not show it".to_owned()],
        timing: Timing {
            resident_fraction_min: shown,
            ..Timing::default()
        },
        ..Evidence::bare(verdict)
    }
}

#[test]
fn where_the_system_owns_the_memory_a_seal_must_be_shown() {
    let policy = Policy::default();
    let sealed = |model, verdict| demanded(&policy, model, evidence(verdict, None));
    for model in [DriverModel::Wddm, DriverModel::Mcdm] {
        let error = sealed(Some(model), Verdict::Inconclusive).unwrap_err();
        assert_eq!(
            (error.code, error.policy),
            (Code::PolicyViolation, Some("driverModel"))
        );
        assert!(error.message.contains("time did not show it"));
        assert!(sealed(Some(model), Verdict::Resident).is_ok());
    }
    for model in [None, Some(DriverModel::Tcc)] {
        assert!(sealed(model, Verdict::Inconclusive).is_ok());
    }
}

#[test]
fn a_demanded_fraction_must_be_shown() {
    let policy = Policy {
        resident_fraction_min: Some(0.9),
        ..Policy::default()
    };
    let sealed = |shown| demanded(&policy, None, evidence(Verdict::Resident, shown));
    assert!(sealed(Some(0.95)).is_ok());
    for shown in [Some(0.85), None] {
        let error = sealed(shown).unwrap_err();
        assert_eq!(error.policy, Some("residentFractionMin"));
    }
}
